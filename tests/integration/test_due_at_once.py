"""Ticks of several runs that are due at the same instant: whose are stored first."""

import asyncio
import json
from typing import Any

import pytest
from nats.aio.client import Client

from runtime.clock import whole_now_ms
from support.bus_client import ask
from support.served import Serve
from support.waiting import WAIT_SECONDS

INTERVAL_MS = 200


async def test_those_of_the_run_that_starts_first_are_first(
    serve_coordinator: Serve, serve_scheduler: Serve, bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("FIRST", "LEAST", "MOST"):
        monkeypatch.setattr(f"scheduler.concurrency_limit.{limit}", 1)
    await serve_coordinator()  # it makes the stream
    await serve_scheduler()
    ticks = await bus.subscribe("countdown.*.events")
    now = whole_now_ms() + 500
    # The one that was asked for first, whose timer is older, starts last.
    for room, later in (("last", 2), ("second", 1), ("first", 0)):
        starts_at = now + later * INTERVAL_MS
        start = {"room": room, "interval_ms": INTERVAL_MS, "starts_at": starts_at, "from": 10}
        assert (await ask(bus, "scheduler.start", **start))[0] == 200
    by_due: dict[int, list[str]] = {}
    for _ in range(3 * 11):
        event: dict[str, Any] = {"type": ""}
        while event["type"] != "tick":
            message = await asyncio.wait_for(ticks.next_msg(WAIT_SECONDS), WAIT_SECONDS)
            event = json.loads(message.data)
        due = event["starts_at"] + (event["from"] - event["remaining"]) * INTERVAL_MS
        by_due.setdefault(due, []).append(event["room"])
    together = [rooms for rooms in by_due.values() if len(rooms) == 3]
    assert len(together) == 9
    # A timer may fire a millisecond after another that is due with it, when that has its turn.
    assert together.count(["first", "second", "last"]) > 5
