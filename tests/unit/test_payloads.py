"""What is read from the bus and from viewers: what passes, and what each refusal says."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from protocol import events, frames, messages, requests, subjects
from protocol.events import Event, EventError, Tick, Unknown
from protocol.frames import FrameError
from protocol.messages import MessageError
from protocol.requests import RequestError, Start

TICK = (
    b'{"type":"tick","room":"main","run":"r","from":10,"interval_ms":1000,'
    b'"starts_at":1795420800000,"remaining":7,"due":1795420803000,"emitted":1795420803001,'
    b'"by":"scheduler-1"}'
)


def test_an_event_is_read_as_the_contract_writes_it() -> None:
    tick = events.decode(TICK, "main")
    assert isinstance(tick, Tick)
    assert (tick.remaining, tick.due_at, tick.due(7)) == (7, 1795420803000, 1795420803000)


def test_a_field_that_is_not_known_is_ignored() -> None:
    assert events.decode(TICK[:-1] + b',"colour":"red"}', "main") == events.decode(TICK, "main")


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"\xff\xfe", "malformed"),
        (b"[]", "object"),
        (TICK.replace(b'"main"', b'"other"'), "room"),
        (TICK.replace(b'"remaining":7', b'"remaining":11'), "remaining"),
        (TICK.replace(b'"interval_ms":1000', b'"interval_ms":1'), "interval_ms"),
        (TICK.replace(b'"tick"', b'"Tock 1"'), "Tock 1"),
        (b"[" * 100_000, "object"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(payload: bytes, words: str) -> None:
    with pytest.raises(EventError, match=words):
        events.decode(payload, "main")


def test_an_event_of_a_newer_version_is_kept_as_it_is() -> None:
    payload = b'{"type":"scrubbed","room":"main","run":"r1","from":10,"at":{"x":[1]}}'
    event = events.decode(payload, "main")
    assert isinstance(event, Unknown)
    assert (event.type, event.run, event.from_, event.by) == ("scrubbed", "r1", 10, "")
    assert events.encode(event) == payload
    assert json.loads(frames.encode_event(7, event)) == json.loads(payload) | {"seq": 7}
    assert frames.kind(event) == "scrubbed"


TERMS = {
    "room": "main",
    "run": "r1",
    "from_": 10,
    "interval_ms": 1000,
    "starts_at": 7,
    "by": "s",
    "change": "held:1",
}


@pytest.mark.parametrize("trace", [None, events.Trace(parent="00-ab-cd-01", until=9)])
@pytest.mark.parametrize(
    ("event", "frame"),
    [
        (events.Started, frames.StartedFrame),
        (partial(Tick, remaining=7, due_at=8, emitted=9), frames.TickFrame),
        (partial(events.Held, remaining=7, held_at=8), frames.HeldFrame),
        (partial(events.Resumed, remaining=7, at=8), frames.ResumedFrame),
        (partial(events.Adjusted, remaining=None, at=8, seconds=-5), frames.AdjustedFrame),
        (partial(events.Recycled, remaining=7, at=8), frames.RecycledFrame),
        (partial(events.Cancelled, remaining=None), frames.CancelledFrame),
    ],
)
def test_an_event_s_frame_is_the_event_and_its_place_and_not_its_trace(
    event: Callable[..., Event], frame: type[Struct], trace: events.Trace | None
) -> None:
    stored = event(**TERMS, trace=trace)
    encoded = frames.encode_event(417, stored)
    decoded = msgspec.json.decode(encoded, type=frame)
    assert msgspec.structs.asdict(decoded) == (
        msgspec.structs.asdict(stored) | {"seq": 417, "trace": None}
    )
    assert frames.encode(decoded) == encoded
    assert frames.kind(stored) == frames.kind(decoded)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type":"scrubbed","room":"main"}',
        b'{"type":"scrubbed","room":"other","run":"r1"}',
        b'{"type":7,"room":"main","run":"r1"}',
        b'{"type":"a\\nb","room":"main","run":"r1"}',
        b'{"type":"scrubbed","room":"main","run":"r1","from":"ten"}',
        b'{"type":"started","room":"main","run":"r1"}',
    ],
)
def test_what_has_no_event_s_form_is_no_newer_version_s_event(payload: bytes) -> None:
    with pytest.raises(EventError):
        events.decode(payload, "main")


def test_an_empty_request_asks_for_ten_seconds_in_main() -> None:
    assert requests.decode(b"", Start) == Start(room="main", from_=10, interval_ms=1000)


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b'{"from":"ten"}', "from"),
        (b'{"from":0}', "from"),
        (b'{"from":8640001}', "from"),
        (b'{"from":1e3}', "from"),
        (b'{"interval_ms":99}', "interval_ms"),
        (b'{"interval_ms":60001}', "interval_ms"),
        (b'{"starts_at":"soon"}', "starts_at"),
        (b'{"room":"../x"}', "room"),
        (b'{"room":"main\\n"}', "room"),
        (b'{"room":null}', "room"),
    ],
)
def test_a_request_that_is_not_valid_names_the_field(payload: bytes, field: str) -> None:
    with pytest.raises(RequestError, match=f"^{field}: "):
        requests.decode(payload, Start)


@pytest.mark.parametrize("name", ["main", "a", "0", "a-b", "a" * 64, "quiz-2026"])
def test_a_room_s_name_is_lower_case_digits_and_inner_hyphens(name: str) -> None:
    assert subjects.is_room(name)
    assert subjects.parse(subjects.events(name)) == (name, "events")


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a" * 65, "a.b", "a b", "*", ">", "a\n"])
def test_no_other_name_is_a_room_s(name: str) -> None:
    assert not subjects.is_room(name)
    assert subjects.parse(subjects.messages(name)) is None


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"hello", "hello"),
        (b'{"text":"hello"}', "hello"),
        (b'{"text":"hello","colour":"red"}', "hello"),
        (b'{"text":3}', '{"text":3}'),
        (b'"hello"', '"hello"'),
        ("grüße 🎈".encode(), "grüße 🎈"),
        (b'\xef\xbb\xbf{"text":"hello"}', "hello"),
        (b"\xef\xbb\xbfhello", "hello"),
        (b'{"text":"half \\ud83c a pair"}', "half \ufffd a pair"),
        (b'{"text":"\\udf88","colour":"red"}', "\ufffd"),
        (b"C:\\users {", "C:\\users {"),
        (b'["\\ud83c"]', '["\\ud83c"]'),
        ("\u3164a".encode(), "\u3164a"),
        (b"a\x01\x1b[31mb\x00c", "a  [31mb c"),
        (b'{"text":"a\\u0001b\\r\\n\\tc"}', "a b\r\n\tc"),
    ],
)
def test_a_message_is_a_json_text_or_the_payload_itself(payload: bytes, text: str) -> None:
    assert messages.decode(payload) == text


@pytest.mark.parametrize(
    ("payload", "words"),
    [(b"\xff\xfe", "UTF-8"), (b" \n", "blank"), (b'{"text":" "}', "blank"), (b"x" * 4097, "4096")],
)
def test_what_is_no_message_is_refused_with_the_reason(payload: bytes, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        messages.decode(payload)


@pytest.mark.parametrize(
    "text", ["\u2800", "\u200b", "\u202e", "\u3164", "\ufeff", "\u2060\u200d \ufe0f\n", "\x00"]
)
def test_a_message_of_which_nothing_is_to_be_seen_is_blank(text: str) -> None:
    with pytest.raises(MessageError, match="blank"):
        messages.encode(text)
    with pytest.raises(MessageError, match="blank"):
        messages.decode(text.encode())


@pytest.mark.parametrize("text", ["👨\u200d👩\u200d👧", "שלום", "\u202eabc", "e\u0301", "."])
def test_a_message_of_which_something_is_to_be_seen_is_not(text: str) -> None:
    assert messages.decode(messages.encode(text)) == text


@given(st.text(min_size=1, max_size=500))
def test_a_message_survives_its_way_over_the_bus(text: str) -> None:
    try:
        payload = messages.encode(text)
    except (MessageError, UnicodeEncodeError):
        return
    assert messages.decode(payload) == re.sub(r"(?![\t\r\n])[\0-\x1f]", " ", text)


@pytest.mark.parametrize(
    "unit", ["\x01", "\x1f", '"', "\\", "\n", "a", "\U0001f680", "\x7f", "\u2028"]
)
def test_a_frame_is_at_most_twice_as_long_as_the_message_in_it(unit: str) -> None:
    payload = (unit * 5000).encode()[: messages.MAX_BYTES - 4].decode(errors="ignore").encode()
    text = messages.decode(payload + b".")
    frame = frames.encode(frames.MessageFrame(seq=1 << 53, room="r" * 32, text=text, at=1 << 50))
    assert len(frame) < 2 * messages.MAX_BYTES + 128


@given(st.binary(max_size=2000))
def test_random_bytes_are_read_or_refused_and_nothing_else(payload: bytes) -> None:
    for read, refusal in (
        (lambda: events.decode(payload, "main"), EventError),
        (lambda: requests.decode(payload, Start), RequestError),
        (lambda: messages.decode(payload), MessageError),
        (lambda: frames.decode_ping(payload), FrameError),
    ):
        with suppress(refusal):
            read()


@pytest.mark.parametrize(
    "field",
    [{"after_zero": "y" * 10_000}, {"after_zero": " - at `$" * 1000}, {"room": "y" * 10_000}],
)
def test_a_refusal_names_the_field_and_is_short(field: dict[str, str]) -> None:
    with pytest.raises(RequestError) as refusal:
        requests.decode(json.dumps(field).encode(), Start)
    assert str(refusal.value).startswith(f"{next(iter(field))}: ")
    assert len(str(refusal.value)) < 500


def test_a_ping_may_tell_what_is_shown_and_how_well_the_time_is_known() -> None:
    assert frames.decode_ping(b'{"type":"ping","id":1}').seq is None
    ping = frames.decode_ping(b'{"type":"ping","id":1,"seq":417,"error_ms":3}')
    assert (ping.seq, ping.error_ms) == (417, 3)
    for payload in (b'{"type":"pong","id":1}', b'{"id":1}', b'{"type":"ping"}', b"hello"):
        with pytest.raises(FrameError):
            frames.decode_ping(payload)
