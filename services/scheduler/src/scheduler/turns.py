"""Permits for appends: of those that wait, the run that starts first has the next one."""

import asyncio
from heapq import heappop, heappush
from itertools import count


class Turns:
    """So many permits. Of those that wait for one, the lowest rank gets it, and of equals the one
    that has waited longest."""

    def __init__(self, permits: int) -> None:
        self._free = permits
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    async def take(self, rank: int) -> None:
        """Wait for a permit; it must be given back."""
        if self._free:
            self._free -= 1
            return
        permit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (rank, next(self._order), permit))
        try:
            await permit
        except asyncio.CancelledError:
            if not permit.cancelled():  # it was given at the same moment
                self.give_back()
            raise

    def give_back(self) -> None:
        """Give a permit to the next that waits."""
        while self._waiting:
            permit = heappop(self._waiting)[-1]
            if not permit.cancelled():
                permit.set_result(None)
                return
        self._free += 1
