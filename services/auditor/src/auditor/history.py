"""The events of a room as an auditor reads them: by the contract, with no code of those who write.

An auditor that decided as the schedulers do would share their faults. So nothing here, nor in what
builds on it, uses `protocol.rules` or `protocol.changes`.
"""

from typing import Literal

import msgspec
from msgspec import Struct

Kind = Literal["started", "tick", "held", "resumed", "adjusted", "recycled", "cancelled"]
CHANGES = ("held", "resumed", "adjusted", "recycled")
DENSE, SPARSE = 86_400, 3_600
"""Above the first number only the multiples of the second have a tick, and planned holds."""


class Planned(Struct, frozen=True):
    """A planned hold: at which number, and for how many milliseconds; None is without an end."""

    at: int
    for_ms: int | None = None


class Fields(Struct, frozen=True, kw_only=True):
    """What an event says; times are milliseconds since the Unix epoch."""

    room: str
    run: str
    type: Kind
    by: str
    first: int = msgspec.field(name="from")
    interval_ms: int
    starts_at: int
    remaining: int | None = None
    due: int | None = None
    emitted: int | None = None
    held_at: int | None = None
    held_until: int | None = None
    holds: tuple[Planned, ...] = ()
    change: str | None = None
    """The last hold, resume, adjustment or recycle, with its id."""
    at: int | None = None
    seconds: int | None = None
    after_zero: str = "stop"
    warning: int | None = None
    danger: int | None = None


class Event(Fields, frozen=True, kw_only=True):
    """An event in the stream: its sequence, and when the server stored it."""

    seq: int
    stored_at: float

    @property
    def is_end(self) -> bool:
        """Whether the run is over with it."""
        return self.type == "cancelled" or (self.type == "tick" and self.remaining == 0)

    @property
    def is_held(self) -> bool:
        return self.held_at is not None

    @property
    def next_number(self) -> int:
        """The number of the tick after it; -1 after zero."""
        return self.first if self.remaining is None else self.below(self.remaining)

    def due_by_terms(self, number: int) -> int:
        """When it says that the tick of a number is due."""
        return self.starts_at + (self.first - number) * self.interval_ms

    def has_tick(self, number: int) -> bool:
        return number <= DENSE or number % SPARSE == 0 or any(it.at == number for it in self.holds)

    def below(self, number: int) -> int:
        """The next number below that has a tick; -1 below zero."""
        below = number - 1
        if below > DENSE:
            below = max(DENSE, below - below % SPARSE)
        return max([below, *(it.at for it in self.holds if it.at < number)])

    def ticks(self, above: int, number: int) -> int:
        """How many numbers have a tick, from the one `above` down to `number`, without that."""
        dense = max(0, min(above, DENSE) - min(number, DENSE))
        sparse = max(above, DENSE) // SPARSE - max(number, DENSE) // SPARSE
        planned = {it.at for it in self.holds if number < it.at <= above and it.at > DENSE}
        return dense + max(0, sparse) + sum(at % SPARSE != 0 for at in planned)

    def terms(self) -> tuple[object, ...]:
        """All that only a change may change."""
        return (self.first, self.interval_ms, self.starts_at, self.change, *self.kept())

    def kept(self) -> tuple[object, ...]:
        """What stays as it is for the whole run."""
        return (self.interval_ms, self.after_zero, self.warning, self.danger, self.holds)


def decode(seq: int, stored_at: float, data: bytes) -> Event | None:
    """An entry of the stream as an event; None if it is none that the contract knows."""
    try:
        fields = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    named = {name: getattr(fields, name) for name in Fields.__struct_fields__}
    return Event(seq=seq, stored_at=stored_at, **named)


_decoder = msgspec.json.Decoder(Fields)
