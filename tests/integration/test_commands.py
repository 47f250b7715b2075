"""Commands decided by a scheduler whose knowledge of the room lags behind the stream."""

import asyncio
import json
import time

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import StreamConfig

from bus.connection import ANSWER_BY, Bus
from bus.errors import ServiceError
from protocol import events, rules
from protocol.requests import Start
from protocol.rules import Countdown
from runtime.clock import whole_now_ms
from scheduler import event_store
from scheduler.commands import Commands
from scheduler.event_store import EventStore
from scheduler.load import Load
from support.bus_client import ask, history
from support.nats_server import NatsServer
from support.served import Serve
from support.waiting import until


@pytest.fixture
def deaf(connection: Bus) -> Commands:
    """Commands of a scheduler that hears nothing of what the others store."""
    return Commands(EventStore(connection, Load(100, 1000)), "deaf")


async def test_a_start_is_not_refused_for_a_run_that_has_ended(
    deaf: Commands, serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    first = json.loads(await deaf.start(b'{"from":1,"interval_ms":100}'))

    async def is_finished() -> bool:
        return [e["remaining"] for e in await history(bus) if e["type"] == "tick"] == [1, 0]

    await until(is_finished)
    second = json.loads(await deaf.start(b'{"from":1,"interval_ms":100}'))
    assert first["run"] != second["run"]


async def test_a_start_is_refused_for_a_run_that_was_not_heard_of(
    deaf: Commands, serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    _, started = await ask(bus, "scheduler.start")
    with pytest.raises(ServiceError) as refusal:
        await deaf.start(b"")
    assert refusal.value.code == 409
    assert json.loads(refusal.value.body)["run"] == started["run"]


async def test_a_run_that_was_not_heard_of_can_be_cancelled(
    deaf: Commands, serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    _, started = await ask(bus, "scheduler.start")
    cancelled = json.loads(await deaf.cancel(b""))
    assert (cancelled["run"], cancelled["by"]) == (started["run"], "deaf")


async def test_a_start_that_has_happened_is_no_answer_any_more_if_another_has_followed(
    deaf: Commands, serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await deaf.start(b'{"run":"mine"}')
    await ask(bus, "scheduler.cancel")
    await ask(bus, "scheduler.start", run="another")
    with pytest.raises(ServiceError) as refusal:
        await deaf.start(b'{"run":"mine"}')
    assert refusal.value.code == 409
    assert json.loads(refusal.value.body)["run"] == "another"


async def test_an_adjustment_is_not_refused_for_terms_that_have_changed(
    deaf: Commands, serve_scheduler: Serve, bus: Client
) -> None:
    """The run would have no number left, if it had not been given more time meanwhile."""
    await serve_scheduler()
    later = whole_now_ms() + 60_000
    await deaf.start(json.dumps({"from": 5, "starts_at": later}).encode())
    code, _ = await ask(bus, "scheduler.adjust", seconds=10)
    assert code == 200
    adjusted = json.loads(await deaf.adjust(b'{"seconds":-10}'))
    assert (adjusted["from"], adjusted["by"]) == (5, "deaf")


async def test_a_run_that_is_held_too_long_by_now_is_cancelled_and_not_resumed(
    connection: Bus, serve_scheduler: Serve, bus: Client
) -> None:
    """Also if no timer of any scheduler has fired: none has one here."""
    await serve_scheduler()
    await ask(bus, "scheduler.start", starts_at=whole_now_ms() + 60_000)
    await ask(bus, "scheduler.hold")
    impatient = Commands(EventStore(connection, Load(100, 1000)), "impatient", max_hold_ms=0)
    with pytest.raises(ServiceError) as refusal:
        await impatient.resume(b"")
    assert refusal.value.code == 404
    stored = [(event["type"], event["by"]) for event in await history(bus)]
    assert stored[2:] == [("cancelled", "impatient")]


async def test_a_start_without_a_stream_says_so(nats_server: NatsServer, deaf: Commands) -> None:
    nats_server.kill()
    async with asyncio.timeout(5):
        with pytest.raises(ServiceError) as refusal:
            await deaf.start(b"")
    assert refusal.value.code == 503
    assert "the stream" in refusal.value.description


async def test_what_a_server_without_a_quorum_knows_is_no_reason_to_refuse(
    deaf: Commands, connection: Bus, serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await ask(bus, "scheduler.start")
    connection.no_quorum = "the stream has no leader with a quorum"
    with pytest.raises(ServiceError) as refusal:
        await deaf.start(b"")
    assert refusal.value.code == 503


async def test_a_start_that_only_the_other_servers_could_store_is_no_failure(
    deaf: Commands, bus: Client
) -> None:
    """The leader of a replicated stream reports an error of its own store while it shuts down."""
    await bus.jetstream().add_stream(
        StreamConfig(name="COUNTDOWN", subjects=["countdown.*.events"], no_ack=True)
    )

    async def report_an_error(append: Msg) -> None:
        error = {"code": 503, "err_code": 10077, "description": "store is closed"}
        await append.respond(json.dumps({"stream": "COUNTDOWN", "error": error}).encode())

    await bus.subscribe("countdown.*.events", cb=report_an_error)
    await bus.flush()
    started = json.loads(await deaf.start(b""))
    assert [event["run"] for event in await history(bus)] == [started["run"]]


async def test_a_tick_that_is_refused_before_a_hold_is_not_tried_again_without_a_pause(
    deaf: Commands, bus: Client
) -> None:
    """A replicated stream refuses what is expected to follow an entry that can't be read yet."""
    jetstream, subject = bus.jetstream(), "countdown.main.events"
    started = rules.start(Countdown(), Start(), whole_now_ms(), "run-1", "another")
    await jetstream.add_stream(StreamConfig(name="COUNTDOWN", subjects=[subject]))
    await jetstream.publish(subject, events.encode(started))
    await jetstream.update_stream(StreamConfig(name="COUNTDOWN", subjects=["nothing"]))
    refused = 0

    async def refuse(append: Msg) -> None:
        nonlocal refused
        refused += 1
        error = {"code": 400, "err_code": 10164, "description": "wrong last sequence"}
        await append.respond(json.dumps({"stream": "COUNTDOWN", "error": error}).encode())

    await bus.subscribe(subject, cb=refuse)
    await bus.flush()
    with pytest.raises(ServiceError) as refusal:
        await deaf.hold(b"")
    assert refusal.value.code == 503
    assert 1 < refused < 60  # one in 20 ms, for as long as the caller waits


async def test_garbage_behind_a_run_does_not_hide_it(
    deaf: Commands, serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    _, started = await ask(bus, "scheduler.start")
    await bus.request("countdown.main.events", b"garbage", timeout=2)
    with pytest.raises(ServiceError) as refusal:
        await deaf.start(b"")
    assert json.loads(refusal.value.body)["run"] == started["run"]


async def test_nothing_is_done_for_who_has_stopped_waiting(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()

    async def start(answer_by: str) -> tuple[str, str]:
        reply = await bus.request("scheduler.start", b"", timeout=5, headers={ANSWER_BY: answer_by})
        headers = reply.headers or {}
        return headers.get("Nats-Service-Error-Code", "200"), headers.get("Nats-Service-Error", "")

    now_ms = int(time.time() * 1000)
    code, words = await start(f"{now_ms - 1}")
    assert code == "503"
    assert "after its Answer-By" in words
    assert (await bus.jetstream().stream_info("COUNTDOWN")).state.messages == 0
    assert await start(f"{now_ms + 60_000}") == ("200", "")


@pytest.mark.parametrize("answer_by", ["", "soon", "-5", "9" * 5000])
async def test_a_deadline_that_is_none_is_no_deadline(
    serve_scheduler: Serve, bus: Client, answer_by: str
) -> None:
    await serve_scheduler()
    reply = await bus.request("scheduler.start", b"", timeout=5, headers={ANSWER_BY: answer_by})
    assert json.loads(reply.data)["type"] == "started"


async def test_a_start_over_the_limit_says_when_to_try_again_and_stores_nothing(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler(max_runs=1)
    tomorrow = int(time.time() * 1000) + 3_600_000
    assert (await ask(bus, "scheduler.start", room="one", starts_at=tomorrow))[0] == 200
    reply = await bus.request("scheduler.start", b'{"room":"another"}', timeout=5)
    assert reply.headers is not None
    assert reply.headers["Nats-Service-Error-Code"] == "429"
    assert reply.headers["Retry-After"] == "5"
    assert await history(bus, "another") == []
    # In its own room it is still the run that is in the way.
    assert (await ask(bus, "scheduler.start", room="one"))[0] == 409
    assert (await ask(bus, "scheduler.cancel", room="one"))[0] == 200
    assert (await ask(bus, "scheduler.start", room="another"))[0] == 200


async def test_a_room_that_was_forgotten_is_read_again(
    serve_scheduler: Serve, bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_store, "ROOMS_WITHOUT_A_RUN", 1)
    await serve_scheduler()
    for _ in range(3):
        for room in ("one", "another", "third"):
            assert (await ask(bus, "scheduler.cancel", room=room))[0] == 404
            assert (await ask(bus, "scheduler.start", room=room))[0] == 200
            assert (await ask(bus, "scheduler.cancel", room=room))[0] == 200
    stored = [event["type"] for event in await history(bus, "one") if event["type"] != "tick"]
    assert stored == 3 * ["started", "cancelled"]
