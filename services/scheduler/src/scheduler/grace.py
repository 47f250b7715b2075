"""The grace period that replicas give one another, so that they don't all append the same tick.

The replica that stored a room's last event appends its next tick at the deadline. The others wait a
little longer, and longer still if that replica has many ticks to store at the same time, and
usually find the tick stored. This only spares the stream appends that it would refuse; the expected
sequence guarantees that a tick is stored once.
"""

from collections import Counter

from protocol.rules import Countdown

GRACE_MS = 15
"""How long the others wait for the replica that stored the last event."""
GRACE_EACH_MS = 1
"""How much longer they wait for every other tick that it has to store at the same time."""
SAME_TIME_MS = 20


class Grace:
    """How many ticks each replica has to store at the same time, as seen by `instance`."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._at_once: Counter[tuple[str, int]] = Counter()

    def turn(self, countdown: Countdown, due: int) -> "Turn":
        """Count the tick among those due at the same time, until its turn ends."""
        owner = countdown.last.by if countdown.last is not None else ""
        slot = owner, due // SAME_TIME_MS
        self._at_once[slot] += 1
        return Turn(self, slot, due)

    def end(self, slot: tuple[str, int]) -> None:
        """One tick of `slot` is waited for no more."""
        self._at_once[slot] -= 1
        if not self._at_once[slot]:
            del self._at_once[slot]

    def grace_ms(self, slot: tuple[str, int]) -> float:
        """How long after its deadline a tick of `slot` is left to its replica."""
        if slot[0] == self._instance:
            return 0
        return GRACE_MS + (self._at_once[slot] - 1) * GRACE_EACH_MS


class Turn:
    """When it is this replica's turn to append a tick."""

    __slots__ = ("_due", "_grace", "_slot")

    def __init__(self, grace: Grace, slot: tuple[str, int], due: int) -> None:
        self._grace = grace
        self._slot = slot
        self._due = due

    def wait_ms(self, now: float) -> float:
        """How much longer to wait at `now`, in milliseconds."""
        return self._due + self._grace.grace_ms(self._slot) - now

    def end(self) -> None:
        """The tick is waited for no more."""
        self._grace.end(self._slot)
