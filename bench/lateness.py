"""How late ticks are emitted and stored: one room or a thousand, one scheduler or three."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from statistics import median

import msgspec
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.js.api import ConsumerConfig, DeliverPolicy

from bench.bus import connected, nats_server
from bench.crowds import answering, scheduler

FROM = 10
INTERVAL_MS = 1000
LEAD_SECONDS = 3.0
STARTS_AT_ONCE = 50
RETRY_SECONDS = 0.1


class Lateness(msgspec.Struct, frozen=True, kw_only=True):
    """The ticks of all runs: milliseconds after due, at which they were emitted and stored."""

    schedulers: int
    rooms: int
    spread: bool
    sync_always: bool
    ticks: int
    emitted_p50_ms: float
    emitted_p99_ms: float
    emitted_worst_ms: float
    stored_p50_ms: float
    stored_p99_ms: float
    stored_worst_ms: float
    all_stored_ms: float
    """From due until all rooms' ticks of one number are stored; the median over the numbers."""


class _Tick(msgspec.Struct):
    type: str
    due: int = 0
    emitted: int = 0
    remaining: int | None = None


async def lateness(*, schedulers: int, rooms: int, spread: bool, sync_always: bool) -> Lateness:
    """Count down in all rooms, their starts spread over a second or in the very same instant."""
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(nats_server(core=None, sync_always=sync_always))
        for index in range(schedulers):
            await stack.enter_async_context(scheduler(bus.url, f"scheduler-{index + 1}"))
        client = await stack.enter_async_context(connected(bus))
        await answering(client)
        begin_ms = round((time.time() + LEAD_SECONDS + rooms / 400) * 1000)
        starts = [begin_ms + (index * 1000 // rooms if spread else 0) for index in range(rooms)]
        limit = asyncio.Semaphore(STARTS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for index, starts_at in enumerate(starts):
                group.create_task(_start(client, limit, f"room-{index}", starts_at))
        if time.time() * 1000 > begin_ms:
            raise RuntimeError("the rooms were not started before their first tick was due")
        await asyncio.sleep(begin_ms / 1000 + (FROM + 2) * INTERVAL_MS / 1000 - time.time())
        emitted, stored = [], []
        last: dict[int | None, float] = {}
        async for tick, stored_ms in _ticks(client):
            late_ms = stored_ms - tick.due
            emitted.append(float(tick.emitted - tick.due))
            stored.append(late_ms)
            last[tick.remaining] = max(late_ms, last.get(tick.remaining, 0.0))
        if len(emitted) != rooms * (FROM + 1):
            raise RuntimeError(f"{len(emitted)} ticks of {rooms * (FROM + 1)}")
        emitted_at, stored_at = _quantiles(emitted), _quantiles(stored)
        return Lateness(
            schedulers=schedulers,
            rooms=rooms,
            spread=spread,
            sync_always=sync_always,
            ticks=len(emitted),
            emitted_p50_ms=emitted_at(0.5),
            emitted_p99_ms=emitted_at(0.99),
            emitted_worst_ms=max(emitted),
            stored_p50_ms=stored_at(0.5),
            stored_p99_ms=stored_at(0.99),
            stored_worst_ms=max(stored),
            all_stored_ms=median(last.values()),
        )


async def _start(client: Client, limit: asyncio.Semaphore, room: str, starts_at: int) -> None:
    terms = {"room": room, "from": FROM, "interval_ms": INTERVAL_MS, "starts_at": starts_at}
    async with limit:
        while True:
            try:
                request = msgspec.json.encode(terms)
                answer = await client.request("scheduler.start", request, timeout=10)
                break
            except NoRespondersError:  # faster than a scheduler takes requests
                await asyncio.sleep(RETRY_SECONDS)
    if answer.headers and "Nats-Service-Error-Code" in answer.headers:
        raise RuntimeError(f"{room} was not started: {answer.headers}")


async def _ticks(client: Client) -> AsyncIterator[tuple[_Tick, float]]:
    """Every tick in the stream, with the millisecond at which it was stored."""
    stream = client.jetstream()
    last = (await stream.stream_info("COUNTDOWN")).state.last_seq
    entries = await stream.subscribe(
        "countdown.*.events",
        stream="COUNTDOWN",
        ordered_consumer=True,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL),
        pending_msgs_limit=-1,
        pending_bytes_limit=-1,
    )
    while True:
        entry = await entries.next_msg(timeout=10)
        tick = msgspec.json.decode(entry.data, type=_Tick)
        if tick.type == "tick":
            yield tick, int(entry.reply.split(".")[-2]) / 1e6
        if entry.metadata.sequence.stream >= last:
            return


def _quantiles(values: list[float]) -> Callable[[float], float]:
    ordered = sorted(values)
    return lambda q: ordered[min(len(ordered) - 1, int(q * len(ordered)))]
