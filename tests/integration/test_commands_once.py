"""Commands that may have been stored, or were: each is carried out once, and answered as it was."""

import json
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from bus.connection import Bus
from bus.errors import BusTimeout
from bus.stream import Entry
from protocol import events, rules
from protocol.requests import Start
from protocol.rules import Countdown
from runtime.clock import whole_now_ms
from scheduler import event_store
from scheduler.appender import Appender
from scheduler.commands import Commands
from scheduler.event_store import EventStore
from scheduler.load import Load
from support.bus_client import ask, history
from support.served import Serve
from support.waiting import until


@pytest.fixture
def deaf(connection: Bus) -> Commands:
    """Commands of a scheduler that hears nothing of what the others store."""
    return Commands(EventStore(connection, Load(100, 1000)), "deaf")


async def test_a_cancel_that_may_have_been_stored_does_not_end_the_run_that_came_next(
    deaf: Commands, bus: Client
) -> None:
    jetstream, subject = bus.jetstream(), "countdown.main.events"
    stream = StreamConfig(name="COUNTDOWN", subjects=[subject])
    one, another = (
        events.encode(rules.start(Countdown(), Start(), whole_now_ms(), run, "another"))
        for run in ("run-1", "run-2")
    )
    await jetstream.add_stream(stream)
    await jetstream.publish(subject, one)
    await jetstream.update_stream(stream.evolve(subjects=["nothing"]))

    is_done = False

    async def store_without_an_answer(append: Msg) -> None:
        nonlocal is_done
        if is_done:
            return
        is_done = True
        await jetstream.update_stream(stream)
        for event in (append.data, another):
            await jetstream.publish(subject, event)
        error = {"code": 503, "err_code": 10077, "description": "store is closed"}
        await append.respond(json.dumps({"stream": "COUNTDOWN", "error": error}).encode())

    await bus.subscribe(subject, cb=store_without_an_answer)
    await bus.flush()
    cancelled = json.loads(await deaf.cancel(b""))
    assert (cancelled["type"], cancelled["run"]) == ("cancelled", "run-1")
    assert [(event["type"], event["run"]) for event in await history(bus)] == [
        ("started", "run-1"),
        ("cancelled", "run-1"),
        ("started", "run-2"),
    ]


async def test_a_start_that_may_have_been_stored_is_not_refused_for_those_that_came_since(
    connection: Bus, bus: Client
) -> None:
    """The refusal would say that nothing was stored, and nobody knows."""
    await bus.jetstream().add_stream(StreamConfig(name="COUNTDOWN", subjects=["nothing"]))
    store = EventStore(connection, Load(max_runs=1, max_ticks_per_second=1000))
    another = rules.start(Countdown(), Start(room="another"), whole_now_ms(), "run-1", "another")
    answers: list[dict[str, object]] = [
        {"error": {"code": 503, "err_code": 10077, "description": "store is closed"}},
        {"seq": 2},
    ]

    async def answer(append: Msg) -> None:
        store.fold(Entry(1, "countdown.another.events", events.encode(another), 0))
        await append.respond(json.dumps({"stream": "COUNTDOWN"} | answers.pop(0)).encode())

    await bus.subscribe("countdown.main.events", cb=answer)
    await bus.flush()
    started = json.loads(await Commands(store, "scheduler-1").start(b""))
    assert (started["type"], answers) == ("started", [])


async def test_a_start_that_is_repeated_is_answered_though_its_room_was_forgotten(
    serve_scheduler: Serve, bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither has its time passed, nor would it be one run too many."""
    monkeypatch.setattr(event_store, "ROOMS_WITHOUT_A_RUN", 1)
    monkeypatch.setattr(rules, "MAX_LAG_MS", 100)
    await serve_scheduler(max_runs=1)
    short = {"from": 1, "interval_ms": 100, "starts_at": whole_now_ms()}
    first = await ask(bus, "scheduler.start", room="one", run="run-1", **short)
    assert first[0] == 200
    await until_over(bus, "one")
    for room in ("two", "three"):
        assert (await ask(bus, "scheduler.start", room=room, **{"from": 1}))[0] == 200
        if room == "two":
            await until_over(bus, room)
    assert await ask(bus, "scheduler.start", room="one", run="run-1", **short) == first
    untimed = {"from": 1, "interval_ms": 100}
    assert await ask(bus, "scheduler.start", room="one", run="run-1", **untimed) == first


async def until_over(bus: Client, room: str) -> None:
    async def is_over() -> bool:
        return [event.get("remaining") for event in await history(bus, room)][-1:] == [0]

    await until(is_over)


async def test_a_change_that_was_stored_without_an_answer_is_not_made_again_though_another_followed(
    connection: Bus, serve_scheduler: Serve, bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serve_scheduler()
    assert (await ask(bus, "scheduler.start", **{"from": 100}))[0] == 200
    append, lost = Appender.append, list[int]()

    async def lose_the_answer(
        self: Appender, subject: str, payload: bytes, *details: Any, **named: Any
    ) -> int:
        seq = await append(self, subject, payload, *details, **named)
        if b"adjust:one" in payload and not lost:
            lost.append(seq)
            assert (await ask(bus, "scheduler.adjust", id="two", seconds=1))[0] == 200
            raise BusTimeout("the stream: the answer is lost")
        return seq

    monkeypatch.setattr(Appender, "append", lose_the_answer)
    commands = Commands(EventStore(connection, Load(100, 1000)), "scheduler-2")
    answer = json.loads(await commands.adjust(b'{"id":"one","seconds":60}'))
    assert (answer["change"], answer["from"]) == ("adjust:one", 160)
    adjusted = [event for event in await history(bus) if event["type"] == "adjusted"]
    assert [(event["change"], event["from"]) for event in adjusted] == [
        ("adjust:one", 160),
        ("adjust:two", 161),
    ]
