"""Any bytes over a viewer's socket or the bus: no crash, no hang, no leak, no traceback."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from protocol import events

from .countdowns import ask, ask_over, settled, start
from .fuzz_inputs import COMMANDS, RESUMED_AT_ZERO, absurd, nearly, payloads, publications, streams
from .outcome import Outcome
from .raw_bus import Publication, stranger
from .raw_websocket import shake_hands
from .stack import Stack, running

REPLY_SECONDS = 4.0
CLOSES = {1000, 1002, 1003, 1007, 1008, 1009}

# Each example is a round trip to real processes, on a machine that may be busy.
fuzzing = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """One of each service; all must run without a traceback at the end."""
    async with running(tmp_path, schedulers=1, coordinators=1, frontends=1) as stack:
        yield stack
        outcome = Outcome()
        outcome.check_services(stack)
        assert stack.auditor is not None
        watching = stack.auditor.process
        outcome.require(watching.is_running and "Traceback" not in watching.log(), watching.log())
        assert outcome.holds, outcome.violations
        await _check_that_it_counts(stack)


@fuzzing
@given(sent=streams, cut=st.integers(min_value=0, max_value=400))
async def test_any_bytes_from_a_viewer_close_at_worst_its_own_connection(
    stack: Stack, sent: bytes, cut: int
) -> None:
    """In one piece or in two; another viewer is still answered, and no socket leaks."""
    [coordinator] = stack.coordinators
    loop = asyncio.get_running_loop()
    async with stack.http.ws_connect(coordinator.url("/ws/connect?room=other")) as neighbour:
        open_files = coordinator.process.files()
        connection = await shake_hands(coordinator, "main")
        try:
            for part in (sent[:cut], sent[cut:]):
                await loop.sock_sendall(connection, part)
                await asyncio.sleep(0)
            await neighbour.send_str('{"type":"ping","id":7}')
            assert await _pong(neighbour) == 7
        except (BrokenPipeError, ConnectionResetError):
            pass  # it closed after the first part
        finally:
            connection.close()
        async with asyncio.timeout(REPLY_SECONDS):
            while coordinator.process.files() > open_files:
                await asyncio.sleep(0.002)


@fuzzing
@given(text=st.text(max_size=300) | nearly.map(bytes.decode))
async def test_any_text_from_a_viewer_is_answered_or_closed(stack: Stack, text: str) -> None:
    """A ping by a pong, everything else by a close with a code that says why."""
    [coordinator] = stack.coordinators
    async with stack.http.ws_connect(coordinator.url("/ws/connect?room=main")) as socket:
        await socket.send_str(text)
        async with asyncio.timeout(REPLY_SECONDS):
            while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                if json.loads(message.data)["type"] == "pong":
                    return
        assert socket.close_code in CLOSES


@fuzzing
@given(payload=payloads, kind=st.sampled_from(["events", "message"]))
async def test_any_entry_of_the_stream_is_read_or_dropped(
    stack: Stack, payload: bytes, kind: str
) -> None:
    """The followers read past it."""
    async with stack.client("scheduler" if kind == "events" else None) as client:
        await client.publish(f"countdown.main.{kind}", payload)
        await client.flush()


@fuzzing
@example(event=RESUMED_AT_ZERO, commands=["hold"])
@given(event=absurd, commands=st.lists(st.sampled_from(COMMANDS), max_size=4))
async def test_no_terms_of_a_run_stop_a_service(
    stack: Stack, event: dict[str, object], commands: list[str]
) -> None:
    """Every command is answered, a cancel ends the run, and what is stored can be read."""
    room = f"room-{os.urandom(4).hex()}"
    async with stack.client("scheduler") as scheduler, stack.client() as client:
        payload = json.dumps(event | {"room": room}).encode()
        await scheduler.request(f"countdown.{room}.events", payload, timeout=REPLY_SECONDS)
        assert (await ask_over(client, "coordinator.room", room=room)).code == 200
        for command in commands:
            reply = await ask_over(client, f"scheduler.{command}", room=room, seconds=1, to=5)
            assert reply.code in {200, 400, 404, 409, 503}, (command, reply)
        codes = [(await ask_over(client, "scheduler.cancel", room=room)).code for _ in range(2)]
        assert codes in ([200, 404], [404, 404]), codes
        last = await client.jetstream().get_last_msg(
            "COUNTDOWN", f"countdown.{room}.events", direct=True
        )
        assert last.data == payload or events.decode(last.data or b"", room)


@fuzzing
@given(
    payload=payloads,
    subject=st.sampled_from(
        [
            *("scheduler.start", "scheduler.hold", "scheduler.resume", "scheduler.adjust"),
            *("scheduler.recycle", "scheduler.cancel", "coordinator.room"),
        ]
    ),
)
async def test_any_request_is_answered_with_a_result_or_a_reason(
    stack: Stack, payload: bytes, subject: str
) -> None:
    """Every request is answered, and none causes an internal error."""
    async with stack.client() as client:
        reply = await client.request(subject, payload, timeout=REPLY_SECONDS)
        code = (reply.headers or {}).get("Nats-Service-Error-Code", "200")
        assert code in {"200", "400", "404", "409"}, (code, reply.headers)


@fuzzing
@given(publication=publications)
async def test_any_bytes_on_the_bus_affect_no_other_client(
    stack: Stack, publication: Publication
) -> None:
    """As subject, reply and headers; other clients are still answered, all services are ready."""
    async with stranger(stack.bus_port) as who:
        await who.publish([publication])
    assert (await ask(stack, "scheduler.cancel", room="empty")).code == 404
    assert (await ask(stack, "coordinator.room", room="empty")).code == 200
    for service in stack.services.values():
        assert await stack.why_not_ready(service) is None


@fuzzing
@given(payload=payloads)
async def test_any_presence_report_is_read_or_dropped(stack: Stack, payload: bytes) -> None:
    """Even though only coordinators may publish one."""
    async with stack.client("coordinator") as client:
        await client.publish("presence.coordinator", payload)
        await client.flush()


async def _pong(socket: aiohttp.ClientWebSocketResponse) -> object:
    async with asyncio.timeout(REPLY_SECONDS):
        while (frame := json.loads(await socket.receive_str()))["type"] != "pong":
            pass
        return frame["id"]


async def _check_that_it_counts(stack: Stack) -> None:
    """A run in a new room counts as before."""
    room = f"after-{os.urandom(4).hex()}"
    name = await start(stack, room, interval_ms=100, **{"from": 3})
    events = await settled(stack, [name])
    outcome = Outcome()
    outcome.check_stream(events, [name])
    assert outcome.holds, outcome
