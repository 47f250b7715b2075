"""Finding out that entries were removed from the stream: purged, deleted, or too old or too many.

A follower is told of what is stored and never of what goes. What the stream says of itself shows
that something has gone; which rooms it was is asked for then.
"""

import asyncio
from collections.abc import Mapping
from itertools import islice

import msgspec

from protocol import subjects

from .connection import Bus
from .errors import BusUnavailable, bus_errors

LOOK_SECONDS = 0.5
"""How often to look whether something has gone."""
ROOMS_AT_ONCE = 256
"""The server reads the last entries of so many rooms in some 3 ms, and stores nothing meanwhile."""
ANSWER_SECONDS = 2.0


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
    for start in range(0, len(rooms), ROOMS_AT_ONCE):
        names = islice(rooms, start, start + ROOMS_AT_ONCE)
        found |= await _last_sequences(bus, [subjects.events(name) for name in names])
    return [name for name, seq in rooms.items() if found.get(subjects.events(name), 0) < seq]


async def _last_sequences(bus: Bus, wanted: list[str]) -> dict[str, int]:
    """The last sequence of each subject that has one: one request, an answer for each (ADR-31)."""
    client, found = bus.client, {}
    inbox = client.new_inbox()
    with bus_errors("the stream"):
        subscription = await client.subscribe(inbox)
        try:
            request = msgspec.json.encode({"multi_last": wanted})
            await client.publish(f"$JS.API.DIRECT.GET.{subjects.STREAM}", request, inbox)
            async with asyncio.timeout(ANSWER_SECONDS):
                while True:
                    headers = (await subscription.next_msg(ANSWER_SECONDS)).headers or {}
                    if "Nats-Sequence" in headers:
                        found[headers["Nats-Subject"]] = int(headers["Nats-Sequence"])
                    elif headers.get("Status") in ("204", "404"):
                        return found
                    else:
                        raise BusUnavailable(f"the stream can't be read: {headers}")
        finally:
            await subscription.unsubscribe()
