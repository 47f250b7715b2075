"""Permits to append: of ticks that are due at once, those of the run that starts first go first."""

import asyncio
from heapq import heappop, heappush
from itertools import count


class Permits:
    """So many permits. The lowest rank gets the next one, and of equals the one that has waited
    longest; so it is among those that come in the same turn of the event loop, too."""

    def __init__(self, permits: int) -> None:
        self._free = permits
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._is_giving = False

    async def take(self, rank: int) -> None:
        """Wait for a permit; it must be given back."""
        permit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (rank, next(self._order), permit))
        self._give_soon()
        try:
            await permit
        except asyncio.CancelledError:
            if not permit.cancelled():  # it was given at the same moment
                self.give_back()
            raise

    def give_back(self) -> None:
        """Have the next one get the permit."""
        self._free += 1
        self._give_soon()

    def _give_soon(self) -> None:
        """Once everything has come that comes in this turn of the loop."""
        if self._waiting and self._free and not self._is_giving:
            self._is_giving = True
            asyncio.get_running_loop().call_soon(self._give)

    def _give(self) -> None:
        self._is_giving = False
        while self._waiting and self._free:
            permit = heappop(self._waiting)[-1]
            if not permit.cancelled():
                permit.set_result(None)
                self._free -= 1
