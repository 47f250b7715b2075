"""A run that is held, resumed and adjusted: what is stored when, and what viewers get of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from nats.aio.client import Client

from support.bus_client import CHANGES, ask, history
from support.event_stream import listening
from support.served import Serve
from support.viewer import viewing
from support.waiting import until

Event = dict[str, Any]
FAST = {"interval_ms": 100}
LONG = {"from": 600}


async def stored(
    bus: Client, is_it: Callable[[Event], bool], count: int = 1, room: str = "main"
) -> list[Event]:
    """The room's history, as soon as `count` of its events are such ones."""
    found: list[Event] = []

    async def is_there() -> bool:
        found[:] = await history(bus, room)
        return sum(map(is_it, found)) >= count

    await until(is_there)
    return found


def is_tick(event: Event) -> bool:
    return bool(event["type"] == "tick")


def is_zero(event: Event) -> bool:
    return is_tick(event) and event["remaining"] == 0


def due(terms: Event, remaining: int) -> int:
    return int(terms["starts_at"] + (terms["from"] - remaining) * terms["interval_ms"])


def segments(events: list[Event]) -> list[tuple[Event, list[Event]]]:
    """Each event that has set the terms, and the ticks that followed it."""
    found: list[tuple[Event, list[Event]]] = []
    for event in events:
        if is_tick(event):
            found[-1][1].append(event)
        else:
            found.append((event, []))
    return found


def check_ticks(events: list[Event]) -> None:
    """Each number of a segment is there once, in order, due by the segment's terms and never
    stored before that."""
    for terms, ticks in segments(events):
        numbers = [tick["remaining"] for tick in ticks]
        before = terms.get("remaining")
        first = terms["from"] if before is None else before - 1
        assert numbers == list(range(first, first - len(numbers), -1))
        assert [tick["due"] for tick in ticks] == [due(terms, number) for number in numbers]
        assert all(tick["emitted"] >= tick["due"] for tick in ticks)


async def ticks_elsewhere(bus: Client, count: int) -> None:
    """Wait as long as so many ticks of a fast run in another room take."""
    assert (await ask(bus, "scheduler.start", room="other", **FAST))[0] == 200
    await stored(bus, is_tick, count, room="other")


async def test_a_held_run_stands_still_and_goes_on_by_the_terms_of_its_resume(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    await ask(bus, "scheduler.start", **{"from": 12, **FAST})
    [started, *_] = await stored(bus, is_tick, 2)
    code, held = await ask(bus, "scheduler.hold")
    assert (code, held["type"]) == (200, "held")
    await ticks_elsewhere(bus, 5)
    last = (await history(bus))[-1]
    assert (last["type"], last["change"]) == ("held", held["change"])

    code, resumed = await ask(bus, "scheduler.resume")
    assert (code, resumed["type"]) == (200, "resumed")
    assert "held_at" not in resumed
    assert resumed["starts_at"] - started["starts_at"] == resumed["at"] - held["held_at"]
    events = await stored(bus, is_zero)
    check_ticks(events)
    numbers = [event["remaining"] for event in events if is_tick(event)]
    assert numbers == list(range(12, -1, -1))


async def test_more_time_repeats_numbers_each_once_and_in_order(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    await ask(bus, "scheduler.start", **{"from": 8, **FAST})
    before = await stored(bus, is_tick, 2)
    code, adjusted = await ask(bus, "scheduler.adjust", seconds=1)
    assert (code, adjusted["type"], adjusted["seconds"]) == (200, "adjusted", 1)
    assert due(adjusted, 0) - due(before[0], 0) == 1000
    events = await stored(bus, is_zero)
    check_ticks(events)
    (_, first), (_, second) = segments(events)
    assert second[0]["remaining"] > first[-1]["remaining"]
    assert second[0]["due"] > adjusted["at"]


async def test_less_time_than_is_left_stores_zero_at_once(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await ask(bus, "scheduler.start", **LONG)
    await stored(bus, is_tick)
    _, adjusted = await ask(bus, "scheduler.adjust", seconds=-8_640_000)
    assert adjusted["remaining"] == 1
    zero = (await stored(bus, is_zero))[-1]
    assert zero["due"] == adjusted["at"]
    assert zero["emitted"] - zero["due"] < 1000  # or else it was not at once


async def test_a_held_run_is_adjusted_where_it_stands_and_to_zero_at_once(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await ask(bus, "scheduler.start", **LONG)
    await stored(bus, is_tick)
    _, held = await ask(bus, "scheduler.hold")
    _, adjusted = await ask(bus, "scheduler.adjust", seconds=60)
    assert (adjusted["held_at"], adjusted["from"]) == (held["held_at"], 660)
    _, ended = await ask(bus, "scheduler.adjust", seconds=-661)
    assert "held_at" not in ended
    assert (await stored(bus, is_zero))[-1]["due"] == ended["at"]


@pytest.mark.parametrize("is_held", [True, False])
async def test_a_cancel_ends_a_run_that_was_changed(
    serve_scheduler: Serve, bus: Client, is_held: bool
) -> None:
    await serve_scheduler()
    await ask(bus, "scheduler.start", run="mine", **LONG)
    for doing in ["hold"] if is_held else ["hold", "resume"]:
        assert (await ask(bus, f"scheduler.{doing}"))[0] == 200
    code, cancelled = await ask(bus, "scheduler.cancel", run="mine")
    assert (code, cancelled["type"]) == (200, "cancelled")
    assert "held_at" not in cancelled
    assert (await ask(bus, "scheduler.resume"))[0] == 404


async def test_a_held_run_is_still_held_after_a_restart_of_every_scheduler(
    serve_scheduler: Serve, bus: Client
) -> None:
    first = await serve_scheduler()
    await ask(bus, "scheduler.start", **{"from": 12, **FAST})
    await stored(bus, is_tick)
    _, held = await ask(bus, "scheduler.hold")
    await first.close()
    await serve_scheduler(instance="scheduler-2")
    await ticks_elsewhere(bus, 3)
    assert (await history(bus))[-1]["type"] == "held"
    code, resumed = await ask(bus, "scheduler.resume", run=held["run"])
    assert (code, resumed["by"]) == (200, "scheduler-2")
    check_ticks(await stored(bus, is_zero))


async def test_a_run_that_counts_on_after_zero_is_ended_by_a_cancel(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await serve_coordinator()
    terms = {"from": 2, "after_zero": "count", "warning": 2, "danger": 1, **FAST}
    await ask(bus, "scheduler.start", **terms)
    zero = (await stored(bus, is_zero))[-1]

    async def is_shown(status: str) -> bool:
        _, reply = await ask(bus, "coordinator.room")
        state = reply["state"]
        if state["status"] != status:
            return False
        assert (state["after_zero"], state["warning"], state["danger"]) == ("count", 2, 1)
        assert state["finished_at"] == (zero["due"] if status == "finished" else None)
        return True

    await until(lambda: is_shown("finished"))
    for doing, fields in CHANGES:
        assert (await ask(bus, f"scheduler.{doing}", **fields))[0] == 404
    code, cancelled = await ask(bus, "scheduler.cancel", run=zero["run"])
    assert (code, cancelled["remaining"]) == (200, 0)
    assert await ask(bus, "scheduler.cancel", run=zero["run"]) == (200, cancelled)
    await until(lambda: is_shown("cancelled"))


async def test_viewers_get_the_changes_as_they_are_stored_and_who_comes_later_the_state(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    server = await serve_coordinator()
    async with listening(server) as stream, viewing(server) as viewer:
        await anext(stream)
        await ask(bus, "scheduler.start", **LONG)
        for doing, fields in CHANGES:
            assert (await ask(bus, f"scheduler.{doing}", **fields))[0] == 200
        _, held = await ask(bus, "scheduler.hold", id="last")
        sent = []
        async for event in stream:
            frame = json.loads(event["data"])
            assert event["event"] == frame["type"]
            sent.append(frame)
            if frame.get("change") == "hold:last":
                break
        await viewer.until(lambda frame: frame.get("change") == "hold:last")
    frames = [frame for frame in sent if "run" in frame]
    assert frames == await history(bus)
    assert frames == [frame for frame in viewer.frames if "run" in frame]
    changes = [frame["type"] for frame in frames if "at" in frame or "held_at" in frame]
    assert changes == ["held", "resumed", "adjusted", "held"]
    async with viewing(server) as late:
        state = (await late.frame())["state"]
    assert (state["status"], state["held_at"]) == ("held", held["held_at"])
    assert (state["change"], state["from"]) == ("hold:last", 660)
