"""Finding out that entries were removed from the stream: purged, deleted, or too old or too many.

A follower is told of what is stored and never of what goes. What the stream says of itself shows
that something has gone; which rooms it was is asked for then.
"""

from collections.abc import Mapping
from itertools import islice

from protocol import subjects

from .connection import Bus
from .direct import MAX_SUBJECTS, multi_last
from .errors import bus_errors

LOOK_SECONDS = 0.5
"""How often to look whether something has gone."""


async def state(bus: Bus) -> tuple[str, int, int]:
    """What changes whenever entries go: the stream's age, its first sequence, its gaps.

    Raises BusError where the stream can't be asked.
    """
    with bus_errors("the stream"):
        info = await bus.jetstream.stream_info(subjects.STREAM)
    return str(info.created), info.state.first_seq, info.state.num_deleted or 0


async def missing(bus: Bus, rooms: Mapping[str, int]) -> list[str]:
    """Those of `rooms`, each with its last event's sequence, of which the stream holds less.

    What a replica of the stream answers may be a little old. Raises BusError.
    """
    found: dict[str, int] = {}
    for start in range(0, len(rooms), MAX_SUBJECTS):
        names = islice(rooms, start, start + MAX_SUBJECTS)
        last = await multi_last(bus.client, [subjects.events(name) for name in names])
        found |= {entry.subject: entry.seq for entry in last.entries}
    return [name for name, seq in rooms.items() if found.get(subjects.events(name), 0) < seq]
