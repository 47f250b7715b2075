"""How late events and messages reach a viewer, from the time at which the stream stored them."""

import asyncio
import time

import msgspec
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy

from bench.bus import connected, nats_server
from bench.load import Incomplete
from bench.ticking import Ticking, fill, until
from bench.versions import Version
from bench.viewing import coordinator, quantile, viewer
from protocol import subjects

SENT_PER_SECOND = 20


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """From the stream's time stamp to the viewer, one room at a time."""

    event_p50_ms: float
    event_p99_ms: float
    message_p50_ms: float
    message_p99_ms: float


async def sent(version: Version, *, seconds: int) -> Sent:
    """Events in one room and messages in another, in turn, each with a viewer that notes when."""
    async with (
        nats_server() as bus,
        coordinator(version, bus) as (_, port, _),
        connected(bus) as client,
    ):
        await fill(client, ["events", "messages"], ticks=1)
        async with viewer(port, "events") as heard, viewer(port, "messages") as heard_messages:
            await asyncio.sleep(1)
            heard.clear()
            heard_messages.clear()
            ticking = Ticking(client, ["events"])
            began = time.monotonic()
            for index in range(SENT_PER_SECOND * seconds):
                await until(began + index / SENT_PER_SECOND)
                await ticking.tick("events", index)
                await client.flush()
                await until(began + (index + 0.5) / SENT_PER_SECOND)
                await client.publish(subjects.messages("messages"), b"a message of some length")
                await client.flush()
            await asyncio.sleep(1)
        stored = await _stored(client)
        event_ms = _late(stored, heard)
        message_ms = _late(stored, heard_messages)
    for kind, late in (("events", event_ms), ("messages", message_ms)):
        if len(late) != SENT_PER_SECOND * seconds:
            raise Incomplete(f"{len(late)} of {SENT_PER_SECOND * seconds} {kind} were heard")
    return Sent(
        event_p50_ms=quantile(event_ms, 0.5),
        event_p99_ms=quantile(event_ms, 0.99),
        message_p50_ms=quantile(message_ms, 0.5),
        message_p99_ms=quantile(message_ms, 0.99),
    )


def _late(stored: dict[int, int], heard: dict[int, int]) -> list[float]:
    return [(at - stored[seq]) / 1e6 for seq, at in heard.items() if seq in stored]


async def _stored(client: Client) -> dict[int, int]:
    """When each entry was stored, in nanoseconds since the Unix epoch."""
    stream = client.jetstream()
    last = (await stream.stream_info(subjects.STREAM)).state.last_seq
    entries = await stream.subscribe(
        "countdown.*.*",
        stream=subjects.STREAM,
        ordered_consumer=True,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL),
        pending_msgs_limit=-1,
        pending_bytes_limit=-1,
    )
    stored: dict[int, int] = {}
    while True:
        entry = await entries.next_msg(timeout=10)
        seq = entry.metadata.sequence.stream
        stored[seq] = int(entry.reply.split(".")[-2])
        if seq >= last:
            return stored
