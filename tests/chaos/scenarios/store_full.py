"""A stranger's messages fill NATS's store, while one run counts and another is scheduled."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import nats.errors
from nats.aio.client import Client

from auditor.history import Event
from support.nats_server import CONFIG

from .. import history
from ..countdowns import LEAD_MS, ask, new_rooms, now, start
from ..readiness import staying_ready
from ..scenario import Scenario, Trial
from ..stack import Stack, running
from ..viewers import until, watching

STORE_MB = 8
MESSAGE = b"y" * 4096
ROOMS = 64
AT_ONCE = 16
"""Messages that wait for their acknowledgement: few, since the flood is another scenario."""
PATIENCE = 20.0
BURST_BYTES, BYTES_A_SECOND = 1 << 20, 256 << 10
"""The messages that a room accepts at once, and each second after that."""
SLACK_BYTES = 256 << 10


@asynccontextmanager
async def with_a_small_store(folder: Path) -> AsyncIterator[Stack]:
    """A stack as it is deployed, but with a smaller limit of NATS's store."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nats.conf"
    text, count = re.subn(
        r"\bmax_file_store: \w+", f"max_file_store: {STORE_MB}MB", CONFIG.read_text()
    )
    assert count == 1, f"{CONFIG} sets no limit of NATS's store"
    config.write_text(text)
    async with running(folder, frontends=1, config=config) as stack:
        yield stack


async def full(trial: Trial) -> None:
    stack, outcome = trial.stack, trial.outcome
    rooms = new_rooms(trial, 3)
    counting, waiting, third = rooms
    async with (
        watching(stack, rooms, 12, trial.random) as viewers,
        history.following(stack) as events,
        staying_ready(stack, outcome),
    ):
        at, later = int(now()), int(now()) + trial.either(15_000, 12_000)
        names = [
            await start(stack, counting, starts_at=at + LEAD_MS, interval_ms=500),
            await start(stack, waiting, starts_at=later, interval_ms=200),
        ]
        await _fill(trial)
        is_gone = await _first_seq(stack) > history.by_run(events)[names[1]][0].seq
        if now() < later:
            outcome.require(is_gone, "the messages did not displace the scheduled run")
        else:
            outcome.exceeded.append("the store was full only when the scheduled run had begun")
        started = await ask(stack, "scheduler.start", room=third, interval_ms=100)
        outcome.require(
            started.code == 200, f"a start was answered {started.code}: {started.words}"
        )
        if started.code == 200:
            names.append(str(started.body["run"]))
        seconds = (later - now()) / 1000 + 2.0 + PATIENCE
        await until(lambda: _are_over(events, names), max(0.0, seconds))
        await until(lambda: all(set(names) & viewer.finished for viewer in viewers), 2.0)
        outcome.check_stream(events, names)
        outcome.check_viewers(events, names, viewers)
        outcome.worst("a tick late at a viewer, ms", outcome.last_seen_late_ms)
        outcome.require(not any(viewer.drops for viewer in viewers), "a viewer lost its socket")
    await _flood_by_http(trial)
    outcome.check_services(stack)


def _are_over(events: Sequence[Event], names: Sequence[str]) -> bool:
    return set(names) <= {event.run for event in events if event.remaining == 0}


async def _fill(trial: Trial) -> None:
    """Publish twice as much as fits, in many rooms; note how much was stored."""
    count = 2 * STORE_MB * (1 << 20) // len(MESSAGE)
    rooms = new_rooms(trial, ROOMS)
    stored = 0
    async with trial.stack.client("frontend") as client:  # of people's, few would be stored
        for number in range(0, count, AT_ONCE):
            subjects = [
                f"countdown.{rooms[(number + more) % ROOMS]}.message" for more in range(AT_ONCE)
            ]
            stored += sum(await asyncio.gather(*(_is_stored(client, one) for one in subjects)))
    trial.outcome.least("messages stored", stored)
    trial.outcome.require(stored > 0.95 * count, f"{stored} of {count} messages were stored")


async def _is_stored(client: Client, subject: str) -> bool:
    with suppress(nats.errors.Error, TimeoutError):
        reply = await client.request(subject, MESSAGE, timeout=2.0)
        return "error" not in json.loads(reply.data)
    return False


async def _first_seq(stack: Stack) -> int:
    async with stack.client(history.READER) as client:
        return (await client.jetstream().stream_info("COUNTDOWN")).state.first_seq


async def _flood_by_http(trial: Trial) -> None:
    """A sender who floods one room gets a Retry-After; another room is not affected."""
    stack, outcome = trial.stack, trial.outcome
    crowded, quiet = new_rooms(trial, 2)
    text = MESSAGE[:4000].decode()
    begun, sent, refusal, retry_after = time.monotonic(), 0, 0, ""
    while not refusal and sent < _allowed(begun):
        statuses = await asyncio.gather(*(_send(stack, crowded, text) for _ in range(8)))
        for status, header in statuses:
            sent += len(text)
            if status != 202:
                refusal, retry_after = status, header
    outcome.worst("a sender has to wait after, KB", sent / 1000)
    outcome.require(refusal == 429, f"after {sent:,} bytes a sender was answered {refusal or 202}")
    outcome.require(
        retry_after.isdecimal() and int(retry_after) > 0, f"Retry-After: {retry_after!r}"
    )
    status, _ = await _send(stack, quiet, "hello")
    outcome.require(status == 202, f"a message to another room was answered {status}")


def _allowed(begun: float) -> float:
    return BURST_BYTES + BYTES_A_SECOND * (time.monotonic() - begun) + SLACK_BYTES


async def _send(stack: Stack, room: str, text: str) -> tuple[int, str]:
    url = stack.services["frontend-1"].url(f"/api/rooms/{room}/messages")
    async with stack.http.post(url, json={"text": text}) as answer:
        return answer.status, answer.headers.get("Retry-After", "")


SCENARIOS = [
    Scenario(
        "store-full",
        f"a stranger sends 4 KiB messages, twice as much as NATS may store ({STORE_MB} MB here), "
        "while one run counts and another is scheduled",
        "11 ticks once, none more than 100 ms late, of both runs and of a new one; all services "
        "ready meanwhile; a sender over the JSON API gets 429 and Retry-After",
        full,
        rounds=2,
        setup=with_a_small_store,
        late_limit_ms=100,
        remark="New entries displace the oldest ones, among them the start of the scheduled run: "
        "a scheduler stores it again.",
    )
]
