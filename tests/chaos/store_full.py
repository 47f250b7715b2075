"""Strangers' messages fill all that NATS may keep, while runs are under way and to come."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import nats.errors
from nats.aio.client import Client

from support.nats_server import CONFIG

from . import truth
from .countdowns import LEAD_MS, ask, new_rooms, now, start
from .readiness import staying_ready
from .row import Row, Trial
from .stack import Stack, running
from .viewers import until, watching

STORE_MB = 8
MESSAGE = b"y" * 4096
ROOMS = 64
AT_ONCE = 16
"""Messages that wait for their acknowledgement: no flood, which has a row of its own."""
PATIENCE = 20.0
BURST_BYTES, BYTES_A_SECOND = 1 << 20, 256 << 10
"""What a room takes of messages at once, and each second after it."""
SLACK_BYTES = 256 << 10


@asynccontextmanager
async def with_a_small_store(folder: Path) -> AsyncIterator[Stack]:
    """A stack as it is deployed, but that NATS may keep less."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nats.conf"
    text, count = re.subn(
        r"\bmax_file_store: \w+", f"max_file_store: {STORE_MB}MB", CONFIG.read_text()
    )
    assert count == 1, f"{CONFIG} does not say how much NATS may keep"
    config.write_text(text)
    async with running(folder, frontends=1, config=config) as stack:
        yield stack


async def full(trial: Trial) -> None:
    stack, outcome = trial.stack, trial.outcome
    rooms = new_rooms(trial, 3)
    counting, waiting, third = rooms
    async with (
        watching(stack, rooms, 12, trial.random) as viewers,
        truth.following(stack) as facts,
        staying_ready(stack, outcome),
    ):
        at, later = int(now()), int(now()) + trial.either(15_000, 12_000)
        names = [
            await start(stack, counting, starts_at=at + LEAD_MS, interval_ms=500),
            await start(stack, waiting, starts_at=later, interval_ms=200),
        ]
        await _fill(trial)
        is_gone = await _first_seq(stack) > truth.runs(facts)[names[1]][0].seq
        if now() < later:
            outcome.demand(is_gone, "the messages did not push the scheduled run out")
        else:
            outcome.exceeded.append("the store was full only when the scheduled run had begun")
        asked = await ask(stack, "scheduler.start", room=third, interval_ms=100)
        outcome.demand(asked.code == 200, f"a start was answered {asked.code}: {asked.words}")
        if asked.code == 200:
            names.append(str(asked.body["run"]))
        seconds = (later - now()) / 1000 + 2.0 + PATIENCE
        await until(lambda: _are_over(facts, names), max(0.0, seconds))
        await until(lambda: all(set(names) & viewer.finished for viewer in viewers), 2.0)
        outcome.judge_stream(facts, names)
        outcome.judge_viewers(facts, names, viewers)
        outcome.worst("a tick late at a viewer, ms", outcome.last_seen_late_ms)
        outcome.demand(not any(viewer.drops for viewer in viewers), "a viewer lost its socket")
    await _flood_by_http(trial)
    outcome.judge_services(stack)


def _are_over(facts: Sequence[truth.Fact], names: Sequence[str]) -> bool:
    return set(names) <= {fact.run for fact in facts if fact.remaining == 0}


async def _fill(trial: Trial) -> None:
    """Publish twice what fits, in many rooms; note how much of it was stored."""
    count = 2 * STORE_MB * (1 << 20) // len(MESSAGE)
    rooms = new_rooms(trial, ROOMS)
    stored = 0
    async with trial.stack.client() as client:
        for number in range(0, count, AT_ONCE):
            subjects = [
                f"countdown.{rooms[(number + more) % ROOMS]}.message" for more in range(AT_ONCE)
            ]
            stored += sum(await asyncio.gather(*(_is_stored(client, one) for one in subjects)))
    trial.outcome.least("messages stored", stored)
    trial.outcome.demand(stored > 0.95 * count, f"{stored} of {count} messages were stored")


async def _is_stored(client: Client, subject: str) -> bool:
    with suppress(nats.errors.Error, TimeoutError):
        reply = await client.request(subject, MESSAGE, timeout=2.0)
        return "error" not in json.loads(reply.data)
    return False


async def _first_seq(stack: Stack) -> int:
    async with stack.client(truth.READER) as client:
        return (await client.jetstream().stream_info("COUNTDOWN")).state.first_seq


async def _flood_by_http(trial: Trial) -> None:
    """Who sends one room too much is told when to come back; another room is none the worse."""
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
    outcome.worst("a sender is told to wait after, KB", sent / 1000)
    outcome.demand(refusal == 429, f"after {sent:,} bytes a sender was answered {refusal or 202}")
    outcome.demand(
        retry_after.isdecimal() and int(retry_after) > 0, f"Retry-After: {retry_after!r}"
    )
    status, _ = await _send(stack, quiet, "hello")
    outcome.demand(status == 202, f"a message to another room was answered {status}")


def _allowed(begun: float) -> float:
    return BURST_BYTES + BYTES_A_SECOND * (time.monotonic() - begun) + SLACK_BYTES


async def _send(stack: Stack, room: str, text: str) -> tuple[int, str]:
    url = stack.services["frontend-1"].url(f"/api/rooms/{room}/messages")
    async with stack.http.post(url, json={"text": text}) as answer:
        return answer.status, answer.headers.get("Retry-After", "")


ROWS = [
    Row(
        "store-full",
        f"a stranger sends messages of 4 KiB until twice what NATS may keep ({STORE_MB} MB here) "
        "has been sent, while one run counts and another is scheduled",
        "11 once, none more than 100 ms late, of both runs and of a new one; all ready meanwhile; "
        "by the JSON API a sender gets 429 and Retry-After",
        full,
        rounds=2,
        setting=with_a_small_store,
        late_limit_ms=100,
        remark="The oldest entries make room for new ones, and among them is the start of the run "
        "that is scheduled, so a scheduler stores it again.",
    )
]
