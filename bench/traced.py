"""One part of the measurement of tracing, in this process: `python -m bench.traced PART NATS_URL`.

It runs against earlier versions of the services, too, so it names nothing of tracing but what it
finds.
"""

import asyncio
import importlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

APPENDS = 3000
EVENTS = 5000
WARMING = 300
VIEWERS = 100
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def start(_url: str) -> dict[str, float]:
    """What it takes of the processor until the application is made, Python's own start included,
    and of memory."""
    service = importlib.import_module("coordinator.app")
    settings = importlib.import_module("coordinator.settings").Settings()
    service.create_app(settings)
    importlib.import_module("bus.connection").Bus(settings, "coordinator")
    seconds = time.process_time()
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    return {"start_ms": seconds * 1000, "resident_mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6}


async def append(url: str) -> dict[str, float]:
    """A scheduler's appends, one after another."""
    from bus.connection import Bus
    from bus.stream import keep_stream, wanted
    from protocol import rules
    from protocol.events import Terms
    from protocol.requests import Start
    from protocol.rules import Countdown
    from runtime.settings import Settings
    from scheduler.event_store import EventStore
    from scheduler.load import Load

    await _export("scheduler")
    settings = Settings(port=0, nats_url=url)
    bus = Bus(settings, "scheduler")
    running = asyncio.create_task(bus.run())
    await bus.connected()
    await keep_stream(bus, wanted(settings))
    store = EventStore(bus, Load(10_000, 10_000))
    event = rules.start(Countdown(), Start(from_=80_000), 1000, "run-1", "bench")
    if hasattr(Terms, "trace") and _is_on():
        from protocol.events import Started, Trace

        event = rules.following(Started, event, trace=Trace(parent=PARENT, until=1 << 52))
    await store.append(event, store["main"])

    async def tick() -> None:
        event = rules.decide(store["main"], 1 << 52, "bench")
        assert event is not None
        await store.append(event, store["main"])

    cpu, wall = await _timed(tick, APPENDS)
    running.cancel()
    return {"append_us": cpu * 1e6, "append_ms": wall * 1e3}


async def deliver(_url: str) -> dict[str, float]:
    """Events that a coordinator receives of the stream, until they are written to its viewers."""
    from coordinator.event_stream import EventStreamViewer
    from support.hub import entries, new_hub, room_of

    await _export("coordinator")
    hub = await new_hub()
    feed, room = hub._feed, room_of(hub)
    if hasattr(feed, "_delivery"):
        feed._delivery.to(hub, on_failure=lambda: None)
    else:
        feed._listener = hub  # type: ignore[attr-defined]  # in earlier versions
    for _ in range(VIEWERS):
        viewer = EventStreamViewer(room, *_encoding())
        room.join(viewer, _Nowhere(), room.epoch, None)
    followed = feed._rooms["main"]
    followed.is_open, followed.is_reading = True, False
    payload, seq = entries(2)[1].data, 0
    context = f"traceparent: {PARENT}\r\n" if _is_on() else ""

    async def event() -> None:
        nonlocal seq
        seq += 1
        block = (
            f"NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: {seq - 1}\r\n{context}"
            "Nats-Stream: COUNTDOWN\r\nNats-Subject: countdown.main.events\r\n"
            f"Nats-Sequence: {seq}\r\nNats-Time-Stamp: 2026-11-29T20:00:00.000000001Z\r\n"
            f"Nats-Last-Sequence: {seq - 1}\r\n\r\n"
        )
        data = payload.replace(b'"by":"', b'"by":"%d-' % seq)
        followed._on_event(b"live.main.events", b"", block.encode(), data)
        await asyncio.sleep(0)

    cpu, _ = await _timed(event, EVENTS)
    assert room.history.seq == seq
    return {"deliver_us": cpu * 1e6}


def _encoding() -> Any:
    """What a viewer is made with besides its room; nothing in earlier versions."""
    try:
        from coordinator.encodings import event_stream
    except ImportError:
        return ()
    return (event_stream(True),)


class _Nowhere(asyncio.Transport):
    """Takes what is written, and sends it to nobody."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Do nothing with it."""

    def get_write_buffer_size(self) -> int:
        return 0


async def _timed(step: Callable[[], Awaitable[None]], count: int) -> tuple[float, float]:
    """The seconds of CPU, all threads' together, and of time that one step takes."""
    for _ in range(WARMING):
        await step()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(count):
        await step()
    return (time.process_time() - cpu) / count, (time.perf_counter() - wall) / count


def _is_on() -> bool:
    return "OTEL_EXPORTER_OTLP_ENDPOINT" in os.environ


async def _export(service: str) -> None:
    if _is_on():
        from aiohttp import web

        from runtime.exporting import exporting

        await exporting(service, "bench", web.Application()).__aenter__()


if __name__ == "__main__":
    part = {"start": start, "append": append, "deliver": deliver}[sys.argv[1]]
    print(json.dumps(asyncio.run(part(sys.argv[2]))))
