"""Any bytes over a viewer's socket or the bus: no crash, no hang, no leak, no traceback."""

import asyncio
import json
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from protocol import events

from .countdowns import ask, ask_over, settled, start
from .outcome import Outcome
from .raw_bus import SEPARATORS, Publication, stranger
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

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.sampled_from(["tick", "started", "cancelled", "ping"])
    | st.sampled_from(["held", "resumed", "adjusted", "recycled"])
    | st.sampled_from(["main", "count", "../x", "", "0"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
known = "type room run from interval_ms starts_at by remaining due emitted id seq error_ms text"
changing = "held_at held_until holds to change at seconds after_zero warning danger"
fields = st.sampled_from(f"{known} {changing}".split())
nearly = st.dictionaries(fields, values, max_size=10).map(lambda it: json.dumps(it).encode())
payloads = st.binary(max_size=600) | nearly | values.map(lambda it: json.dumps(it).encode())

EPOCH_MS = st.sampled_from([10**12, 1_795_420_800_000, 1 << 52])
"""In September 2001, when this was written, and in the year 144683."""
NUMBERS = st.sampled_from([None, 0, 1, 10, 86_400, 8_640_000])
HOLDS = st.lists(
    st.fixed_dictionaries(
        {"at": NUMBERS}, optional={"for_ms": st.sampled_from([None, 100, 604_800_000])}
    ),
    max_size=3,
)
absurd = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["started", "held", "resumed", "adjusted", "recycled", "tick", "cancelled"]
        ),
        "run": st.just("absurd"),
        "from": st.sampled_from([1, 10, 86_400, 8_640_000]),
        "interval_ms": st.sampled_from([100, 60_000]),
        "starts_at": EPOCH_MS,
        "by": st.sampled_from(["", "scheduler-1", "nobody"]),
        "remaining": NUMBERS,
        **dict.fromkeys(("at", "due", "emitted"), EPOCH_MS),
        "seconds": st.sampled_from([-8_640_000, 0, 8_640_000]),
    },
    optional={
        **dict.fromkeys(("held_at", "held_until"), EPOCH_MS),
        "holds": HOLDS,
        "change": st.sampled_from(["x", "c" * 36]),
        "after_zero": st.sampled_from(["stop", "count"]),
        **dict.fromkeys(("warning", "danger"), NUMBERS),
    },
)
"""Events that can be read, or nearly, of runs that can't be."""
RESUMED_AT_ZERO: dict[str, object] = {
    "type": "resumed",
    "run": "absurd",
    "from": 10,
    "interval_ms": 100,
    "by": "nobody",
    "starts_at": 1_795_420_800_000,
    "at": 1_795_420_800_000,
    "remaining": 0,
}
COMMANDS = ["hold", "resume", "adjust", "recycle", "start"]


def framed(first: int, is_masked: bool, data: bytes) -> bytes:
    """An unchecked frame (RFC 6455, 5.2); its mask is all zeros."""
    length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack("!H", len(data))
    mask = b"\0\0\0\0" if is_masked else b""
    return bytes([first, length[0] | (0x80 if is_masked else 0)]) + length[1:] + mask + data


frames = st.builds(
    framed,
    st.sampled_from([0x81, 0x01, 0x80, 0x00, 0x82, 0x88, 0x89, 0x8A, 0x08]) | st.integers(0, 255),
    st.booleans() | st.just(True),
    st.binary(max_size=200) | nearly,
)


def unbroken(text: bytes) -> bytes:
    """Without the separators of the bus's protocol."""
    return text.translate(None, SEPARATORS)


# One word for the server; nats-py also splits at vertical tabs and form feeds.
words = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=20).map(lambda it: it.encode(errors="surrogatepass")),
    st.lists(st.sampled_from([b"\x0b", b"\x0c", b"\x00", b"\xff", b"7", b"a", b"."])).map(b"".join),
).map(unbroken)
endpoints = [
    *("scheduler.start", "scheduler.recycle", "scheduler.cancel", "coordinator.room"),
    *("$SRV.PING", "$SRV.STATS"),
]
subjects = st.one_of(
    st.just(b"countdown.main.message"),
    words.map(lambda it: b"countdown.%s.message" % it),
    st.sampled_from([it.encode() for it in endpoints]),
)
replies = st.one_of(
    st.just(b""),
    words,
    words.map(lambda it: b"_INBOX.%s" % it),
    words.map(lambda it: b"countdown.%s.events" % it),
    st.integers(min_value=1000, max_value=3900).map(lambda it: b"_INBOX." + b"\xff" * it),
    st.sampled_from(
        [b"$JS.API.STREAM.DELETE.COUNTDOWN", b"$JS.FC.COUNTDOWN.a.b", b">", b"_INBOX.>"]
    ),
)
names = "Status Description Nats-Msg-Id Nats-Last-Consumer Nats-Consumer-Stalled Nats-Sequence"
headers = st.builds(
    lambda name, value: name + b": " + value,
    st.sampled_from([it.encode() for it in names.split()]) | st.binary(max_size=20),
    st.sampled_from([b"100", b"409", b"503", b""]) | st.binary(max_size=40),
)
versions = st.sampled_from(
    [b"NATS/1.0", b"NATS/1.0 100 Idle Heartbeat", b"NATS/1.0 503", b"HTTP/1.1"]
)
lines = st.lists(headers | st.binary(max_size=40), max_size=6)
blocks = st.one_of(
    st.builds(lambda first, rest: b"\r\n".join([first, *rest, b"", b""]), versions, lines),
    st.binary(max_size=40),
    st.integers(max_value=12, min_value=0).map(lambda it: b"NATS/1.0\r\n\r\n"[:it]),
    st.sampled_from([4000, 65_000]).map(lambda it: b"NATS/1.0\r\na: " + b"b" * it + b"\r\n\r\n"),
)
publications = st.builds(
    Publication, subjects, replies, st.none() | blocks, st.binary(max_size=300)
)
streams = st.lists(frames | st.binary(max_size=80), max_size=6).map(b"".join)


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
