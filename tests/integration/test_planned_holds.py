"""Runs with planned holds, recycled runs and runs of days: what is stored when, by whom."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from nats.aio.client import Client

from bus.connection import Bus
from bus.errors import ServiceError
from protocol import rules
from runtime.clock import whole_now_ms
from scheduler.commands import Commands
from scheduler.event_store import EventStore
from scheduler.load import Load
from support.bus_client import ask, history
from support.served import Serve, metric
from support.viewer import viewing
from support.waiting import until

Event = dict[str, Any]
FAST = {"interval_ms": 100}
DAY_MS = 24 * 3_600_000


async def stored(bus: Client, is_it: Callable[[Event], bool], room: str = "main") -> list[Event]:
    """The room's history, as soon as one of its events is such a one."""
    found: list[Event] = []

    async def is_there() -> bool:
        found[:] = await history(bus, room)
        return any(map(is_it, found))

    await until(is_there)
    return found


def is_held(event: Event) -> bool:
    return "held_at" in event


def is_zero(event: Event) -> bool:
    return bool(event["type"] == "tick" and event["remaining"] == 0)


async def ticks_elsewhere(bus: Client, count: int) -> None:
    """Wait as long as so many ticks of a fast run in another room take."""
    assert (await ask(bus, "scheduler.start", room="other", **{"from": count, **FAST}))[0] == 200
    await stored(bus, is_zero, room="other")


async def test_a_planned_hold_begins_with_its_tick_and_ends_when_it_was_planned_to(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    holds = [{"at": 2}, {"at": 4, "for_ms": 700}]
    _, started = await ask(bus, "scheduler.start", **{"from": 5, "holds": holds, **FAST})
    assert started["holds"] == [{"at": 4, "for_ms": 700}, {"at": 2}]
    await stored(bus, lambda event: event["type"] == "tick" and event["remaining"] == 2)
    assert (await ask(bus, "scheduler.resume"))[0] == 200
    events = await stored(bus, is_zero)
    assert [(event["type"], event["remaining"]) for event in events[1:]] == [
        *(("tick", 5), ("tick", 4), ("resumed", 4), ("tick", 3), ("tick", 2)),
        *(("resumed", 2), ("tick", 1), ("tick", 0)),
    ]
    _, _, four, released, three, two, resumed, one, _ = events
    assert (four["held_at"], four["held_until"]) == (four["due"], four["due"] + 700)
    assert (released["at"], released.get("change")) == (four["held_until"], None)
    assert three["due"] == released["at"] + 100
    assert (two["held_at"], two.get("held_until")) == (two["due"], None)
    assert one["due"] == resumed["at"] + 100


async def test_a_planned_hold_that_ended_while_no_scheduler_lived_has_ended_when_it_was_planned_to(
    serve_scheduler: Serve, bus: Client
) -> None:
    first = await serve_scheduler()
    terms = {"from": 3, "holds": [{"at": 3, "for_ms": 300}], **FAST}
    await ask(bus, "scheduler.start", **terms)
    held = (await stored(bus, is_held))[-1]
    await first.close()
    second = await serve_scheduler(is_ready=False, instance="scheduler-2")
    ticks_before = await metric(second, "tminus_tick_stored_late_seconds_count")

    async def is_over() -> bool:
        return bool(whole_now_ms() > held["held_until"] + 500)

    await until(is_over)
    events = await stored(bus, is_zero)
    resumed = events[2]
    assert (resumed["type"], resumed["at"]) == ("resumed", held["held_until"])
    assert [tick["due"] - resumed["at"] for tick in events[3:]] == [100, 200, 300]
    ticks = await metric(second, "tminus_tick_stored_late_seconds_count") - ticks_before
    assert ticks == 3, "the end of a hold is no tick"


async def test_a_hold_during_a_planned_one_takes_its_end_away(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    await ask(bus, "scheduler.start", holds=[{"at": 10, "for_ms": 1000}])
    planned = (await stored(bus, is_held))[-1]
    code, held = await ask(bus, "scheduler.hold")
    assert (code, held["held_at"], "held_until" in held) == (200, planned["held_at"], False)
    await ticks_elsewhere(bus, 14)
    assert (await history(bus))[-1]["change"] == held["change"]


async def test_a_held_run_is_recycled_and_goes_on_from_there(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    async with viewing(await serve_coordinator()) as viewer:
        await ask(bus, "scheduler.start", **{"from": 4, "holds": [{"at": 3}], **FAST})
        await stored(bus, is_held)
        asked = {"to": 6, "id": "mine"}
        replies = await asyncio.gather(*(ask(bus, "scheduler.recycle", **asked) for _ in range(5)))
        [(code, change)] = {(code, event["change"]) for code, event in replies}
        assert (code, change) == (200, "recycle:mine")
        await viewer.until(lambda frame: frame["type"] == "recycled")
        _, reply = await ask(bus, "coordinator.room")
        assert (reply["state"]["status"], reply["state"]["remaining"]) == ("held", 6)
        assert (await ask(bus, "scheduler.resume"))[0] == 200
        await stored(bus, lambda event: is_held(event) and event["type"] == "tick")

    async def is_held_again() -> bool:
        events = await history(bus)
        return [event["remaining"] for event in events[-4:]] == [6, 5, 4, 3]

    await until(is_held_again)
    kinds = [event["type"] for event in await history(bus)]
    assert kinds == ["started", "tick", "tick", "recycled", "resumed", "tick", "tick", "tick"]
    assert (await ask(bus, "scheduler.cancel"))[0] == 200


async def test_only_a_held_run_is_recycled_and_to_a_number_that_it_can_have(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    assert (await ask(bus, "scheduler.recycle", to=5))[0] == 404
    await ask(bus, "scheduler.start", run="mine", **{"from": 600})
    for fields in ({}, {"run": "mine"}, {"run": "another"}):
        code, last = await ask(bus, "scheduler.recycle", to=5, **fields)
        assert (code, last["run"]) == (409, "mine")
    await ask(bus, "scheduler.hold")
    for to in (0, 8_640_001, "5", None):
        reply = await bus.request("scheduler.recycle", json.dumps({"to": to}).encode(), timeout=5)
        headers = reply.headers or {}
        assert headers["Nats-Service-Error-Code"] == "400"
        assert headers["Nats-Service-Error"].startswith("to: ")
    assert {event["type"] for event in await history(bus)} == {"started", "tick", "held"}


async def test_a_start_with_holds_is_asked_for_again_also_after_one_of_them(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    holds = [{"at": 9}, {"at": 10, "for_ms": 200}]
    terms = {"run": "mine", "starts_at": whole_now_ms(), "interval_ms": 200}
    _, started = await ask(bus, "scheduler.start", **terms, holds=holds)
    for is_it in (is_held, lambda event: event["type"] == "resumed"):
        await stored(bus, is_it)
        for again in (holds, holds[::-1]):
            code, event = await ask(bus, "scheduler.start", **terms, holds=again)
            assert (code, event["type"], event["holds"]) == (200, "started", started["holds"])
    for other in ([], holds[:1], [*holds, {"at": 3}]):
        assert (await ask(bus, "scheduler.start", **terms, holds=other))[0] == 422
    assert [event["type"] for event in await history(bus)].count("started") == 1


# What was due before a change


@pytest.fixture
def alone(connection: Bus) -> EventStore:
    """The events of a scheduler that stores nothing by itself."""
    return EventStore(connection, Load(100, 1000))


@pytest.mark.parametrize(
    ("doing", "fields", "kind"),
    [("hold", {}, "held"), ("adjust", {"seconds": 60}, "adjusted")],
)
async def test_what_was_due_before_a_change_is_stored_before_it(
    alone: EventStore,
    serve_coordinator: Serve,
    bus: Client,
    doing: str,
    fields: dict[str, int],
    kind: str,
) -> None:
    """Three ticks, the first of which held it, and the end of that."""
    await serve_coordinator()
    commands = Commands(alone, "alone")
    terms = {"starts_at": whole_now_ms() - 900, "interval_ms": 300}
    await commands.start(json.dumps(terms | {"holds": [{"at": 10, "for_ms": 200}]}).encode())
    event = json.loads(await getattr(commands, doing)(json.dumps(fields).encode()))
    *events, change = await history(bus)
    assert [(one["type"], one.get("remaining")) for one in events[:5]] == [
        *(("started", None), ("tick", 10), ("resumed", 10), ("tick", 9), ("tick", 8)),
    ]
    assert change["type"] == event["type"] == kind
    last = events[-1]
    next_due = last["starts_at"] + (last["from"] - last["remaining"] + 1) * last["interval_ms"]
    assert next_due > change.get("held_at", change.get("at"))


@pytest.mark.parametrize(("doing", "fields"), [("resume", {}), ("recycle", {"to": 5})])
async def test_a_hold_that_was_to_end_before_a_change_has_ended(
    alone: EventStore, serve_coordinator: Serve, bus: Client, doing: str, fields: dict[str, int]
) -> None:
    await serve_coordinator()
    commands = Commands(alone, "alone")
    starts_at = whole_now_ms() - 900
    terms = {"starts_at": starts_at, "holds": [{"at": 10, "for_ms": 100}]}
    await commands.start(json.dumps(terms).encode())
    tick = rules.decide(alone["main"], whole_now_ms(), "alone")
    assert tick is not None
    await alone.append(tick, alone["main"])
    with pytest.raises(ServiceError) as refusal:
        await getattr(commands, doing)(json.dumps(fields).encode())
    assert refusal.value.code == 409
    last = (await history(bus))[-1]
    assert (last["type"], last["at"]) == ("resumed", starts_at + 100)


# Days


async def test_a_run_of_a_hundred_days_is_started_changed_and_cancelled_like_any_other(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    first = await serve_scheduler()
    await serve_coordinator()
    starts_at = whole_now_ms() + 99 * DAY_MS
    far = {"from": 8_553_600, "interval_ms": 60_000}
    assert (await ask(bus, "scheduler.start", room="far", **far))[0] == 200
    code, _ = await ask(bus, "scheduler.start", room="later", starts_at=starts_at, **far)
    assert code == 200
    code, _ = await ask(bus, "scheduler.start", room="never", starts_at=starts_at + 2 * DAY_MS)
    assert code == 400
    tick = (await stored(bus, lambda event: event["type"] == "tick", room="far"))[-1]
    assert tick["remaining"] == 8_553_600
    await first.close()
    await serve_scheduler(instance="scheduler-2")
    await ticks_elsewhere(bus, 3)
    for room, status in (("far", "running"), ("later", "scheduled")):
        _, reply = await ask(bus, "coordinator.room", room=room)
        assert (reply["state"]["status"], reply["state"]["from"]) == (status, 8_553_600)
        code, adjusted = await ask(bus, "scheduler.adjust", room=room, seconds=-5_184_000)
        assert (code, adjusted["from"]) == (200, 8_553_600 - 86_400)
        code, cancelled = await ask(bus, "scheduler.cancel", room=room)
        assert (code, cancelled["by"]) == (200, "scheduler-2")
    assert [event["type"] for event in await history(bus, "far")] == [
        *("started", "tick", "adjusted", "cancelled"),
    ]
