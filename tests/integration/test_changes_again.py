"""Changes of a run that are asked for again, in vain or wrongly: nothing is done twice."""

import asyncio
import json
from typing import Any

import pytest
from nats.aio.client import Client

from support.bus_client import CHANGES, ask, history
from support.served import Serve

LONG = {"from": 600}


@pytest.mark.parametrize(("doing", "fields"), CHANGES)
async def test_a_change_that_is_asked_for_again_is_done_once_by_any_scheduler(
    serve_scheduler: Serve, bus: Client, doing: str, fields: dict[str, int]
) -> None:
    first = await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    await ask(bus, "scheduler.start", run="mine", **LONG)
    if doing == "resume":
        await ask(bus, "scheduler.hold")
    asked: dict[str, Any] = {"run": "mine", "id": "once", **fields}
    at_once = [ask(bus, f"scheduler.{doing}", **asked) for _ in range(5)]
    replies = await asyncio.gather(*at_once)
    await first.close()
    replies.append(await ask(bus, f"scheduler.{doing}", **asked))
    terms = {(code, e["type"], e["change"], e["from"], e["starts_at"]) for code, e in replies}
    [(code, kind, change, _, _)] = terms
    assert (code, change) == (200, f"{doing}:once")
    assert [e["type"] for e in await history(bus)].count(kind) == 1


@pytest.mark.parametrize(("doing", "fields"), CHANGES)
async def test_a_change_that_is_asked_for_again_is_known_also_once_its_run_is_over(
    serve_scheduler: Serve, bus: Client, doing: str, fields: dict[str, int]
) -> None:
    await serve_scheduler()
    await ask(bus, "scheduler.start", run="mine", **LONG)
    if doing == "resume":
        await ask(bus, "scheduler.hold")
    asked: dict[str, Any] = {"run": "mine", "id": "once", **fields}
    _, changed = await ask(bus, f"scheduler.{doing}", **asked)
    await ask(bus, "scheduler.cancel")
    code, again = await ask(bus, f"scheduler.{doing}", **asked)
    assert (code, again["type"], again["change"]) == (200, changed["type"], changed["change"])
    assert (await ask(bus, f"scheduler.{doing}", **asked | {"id": "another"}))[0] == 404
    assert (await history(bus))[-1]["type"] == "cancelled"


async def test_an_adjustment_with_another_id_is_another_one(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await ask(bus, "scheduler.start", **LONG)
    for id, from_ in (("one", 660), ("two", 720), ("two", 720), (None, 780), (None, 840)):
        code, adjusted = await ask(bus, "scheduler.adjust", seconds=60, id=id)
        assert (code, adjusted["from"]) == (200, from_)


async def test_a_change_without_a_run_under_way_is_404_and_of_another_run_409(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    for doing, fields in CHANGES:
        assert (await ask(bus, f"scheduler.{doing}", **fields))[0] == 404
    await ask(bus, "scheduler.start", run="mine", **LONG)
    for doing, fields in CHANGES:
        code, last = await ask(bus, f"scheduler.{doing}", run="another", **fields)
        assert (code, last["run"]) == (409, "mine")
    code, last = await ask(bus, "scheduler.resume", run="mine")
    assert (code, last["run"]) == (409, "mine")
    assert {e["type"] for e in await history(bus)} <= {"started", "tick"}


@pytest.mark.parametrize(
    ("doing", "fields", "field"),
    [
        ("hold", {"id": ""}, "id"),
        ("resume", {"id": "x" * 37}, "id"),
        ("adjust", {"seconds": "5"}, "seconds"),
        ("adjust", {"seconds": 1.5}, "seconds"),
        ("adjust", {"seconds": 8_640_001}, "seconds"),
        ("adjust", {"seconds": 8_640_000}, "seconds"),  # more than a run may have
        ("start", {"after_zero": "explode"}, "after_zero"),
        ("start", {"warning": -1}, "warning"),
        ("start", {"danger": 8_640_001}, "danger"),
    ],
)
async def test_what_is_not_valid_is_400_with_the_field(
    serve_scheduler: Serve, bus: Client, doing: str, fields: dict[str, Any], field: str
) -> None:
    await serve_scheduler()
    await ask(bus, "scheduler.start", **LONG)
    reply = await bus.request(f"scheduler.{doing}", json.dumps(fields).encode(), timeout=5)
    headers = reply.headers or {}
    assert headers["Nats-Service-Error-Code"] == "400"
    assert headers["Nats-Service-Error"].startswith(f"{field}: ")


async def test_a_start_whose_run_was_changed_since_is_answered_with_its_terms_now(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    terms = {"run": "mine", **LONG}
    await ask(bus, "scheduler.start", **terms)
    await ask(bus, "scheduler.adjust", seconds=60)
    code, started = await ask(bus, "scheduler.start", **terms)
    assert (code, started["type"], started["from"]) == (200, "started", 660)
    assert [e["type"] for e in await history(bus)].count("started") == 1
