"""The ticks that are due: of those due at once, the ones of the run that starts first go first."""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from .concurrency_limit import ConcurrencyLimit


class TickQueue:
    """Calls `begin` with each room whose tick is due, for so many at once as the limit says.

    The lowest rank goes first, and of equals the one that came first; so it is among those that
    come in the same turn of the event loop, too.
    """

    def __init__(self, begin: Callable[[str], None]) -> None:
        self._begin = begin
        self._limit = ConcurrencyLimit()
        self._begun = 0
        self._waiting: list[tuple[int, int, str]] = []
        self._order = count()
        self._is_scheduled = False

    def add(self, rank: int, room: str) -> None:
        """The room's tick is due."""
        heappush(self._waiting, (rank, next(self._order), room))
        self._begin_soon()

    def done(self, answered_after: float | None) -> None:
        """One that had begun is done; the stream has answered its append after so many seconds,
        None if it has not."""
        self._begun -= 1
        if answered_after is not None:
            self._limit.note(answered_after, is_reached=bool(self._waiting))
        self._begin_soon()

    def _begin_soon(self) -> None:
        """Once everything has come that comes in this turn of the loop."""
        if self._waiting and self._begun < int(self._limit) and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._begin_next)

    def _begin_next(self) -> None:
        self._is_scheduled = False
        while self._waiting and self._begun < int(self._limit):
            self._begun += 1
            self._begin(heappop(self._waiting)[-1])
