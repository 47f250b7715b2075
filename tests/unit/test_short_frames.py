"""A short frame is read at once as the library's parser reads it, and nothing else is."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from coordinator.short_frames import is_empty_pong, payload_of

LONGEST = 125
HEADERS = st.tuples(st.sampled_from([0x81, 0x01, 0x82, 0x89, 0x8A, 0xC1]), st.integers(0, 255)).map(
    bytes
)
PAYLOADS = st.binary(max_size=LONGEST + 3)


def parsed(data: bytes) -> tuple[Frame, int]:
    """The first frame in the data and how many bytes are behind it; raises if there is none."""
    reader = StreamReader()
    reader.feed_data(data)
    parser = Frame.parse(reader.read_exact, mask=True, max_size=1024)
    try:
        next(parser)
    except StopIteration as found:
        return found.value, len(reader.buffer)
    raise EOFError


@given(st.builds(lambda head, rest: head + rest, HEADERS, PAYLOADS) | PAYLOADS)
@example(b"\x81\x80abcd")
@example(b"\x81\x00")
@example(b"\x81\xfe" + bytes(130))
@example(b"\x81\xc8" + bytes(204))
def test_it_is_read_as_the_library_reads_it(data: bytes) -> None:
    payload = payload_of(data)
    if payload is not None:
        assert parsed(data) == (Frame(Opcode.TEXT, payload), 0)


@given(PAYLOADS)
@example(bytes(LONGEST))
@example(bytes(LONGEST + 1))
def test_every_short_text_frame_is_read_at_once(payload: bytes) -> None:
    data = Frame(Opcode.TEXT, payload).serialize(mask=True)
    assert payload_of(data) == (payload if len(payload) <= LONGEST else None)


@pytest.mark.parametrize("extra", [1, 2, -1])
@given(payload=st.binary(min_size=1, max_size=LONGEST))
def test_more_or_less_than_one_frame_is_left_to_the_library(extra: int, payload: bytes) -> None:
    data = Frame(Opcode.TEXT, payload).serialize(mask=True)
    assert payload_of(data + b"\x81\x80"[:extra] if extra > 0 else data[:extra]) is None


@given(st.sampled_from([Opcode.BINARY, Opcode.CONT, Opcode.PONG]), st.booleans())
def test_other_frames_are_left_to_the_library(opcode: Opcode, is_last: bool) -> None:
    frame = Frame(opcode, b"{}", fin=is_last or opcode is Opcode.PONG)
    assert payload_of(frame.serialize(mask=True)) is None
    with pytest.raises(WebSocketException):
        parsed(frame.serialize(mask=False))
    assert payload_of(frame.serialize(mask=False)) is None


@given(st.builds(lambda head, rest: head + rest, HEADERS, st.binary(max_size=6)))
@example(b"\x8a\x80abcd")
@example(b"\x8a\x80abcde")
@example(b"\x8a\x00abcd")
@example(b"\x0a\x80abcd")
def test_an_empty_pong_is_known_as_the_library_knows_it(data: bytes) -> None:
    if is_empty_pong(data):
        assert parsed(data) == (Frame(Opcode.PONG, b""), 0)


@given(st.binary(max_size=2))
def test_only_a_pong_without_a_payload_is_an_empty_one(payload: bytes) -> None:
    data = Frame(Opcode.PONG, payload).serialize(mask=True)
    assert is_empty_pong(data) == (not payload)
    assert not is_empty_pong(data + b"\x81")
    assert not is_empty_pong(data[:-1])
