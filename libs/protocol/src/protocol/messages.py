"""Free text sent to a room, as it comes from the bus: JSON with a `text`, or plain text."""

import json
import re
import unicodedata
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

MAX_BYTES: Final = 4096
"""The largest payload of a message, in bytes."""
ID_HEADER: Final = "Nats-Msg-Id"
"""The header by which the stream recognises a message that is sent again."""
MAX_ID_BYTES: Final = 128
"""The longest value of it that anybody may choose: NATS keeps each in memory for two minutes."""
ROOM_BYTES_A_SECOND: Final = 256 * 1024
"""A room's rate limit, as `cost` counts: more is not passed on, so that ticks are not delayed."""
ROOM_BURST_BYTES: Final = 1024 * 1024
"""How much of it may come at once."""
OVERHEAD_BYTES: Final = 128
"""The bytes counted for a message besides its payload."""

# Python's `$` also matches before a trailing newline; the look-ahead prevents that everywhere.
MessageId = Annotated[
    str,
    Meta(
        pattern=r"^[!-~]{1,36}$(?!\n)",
        description="Opaque id of a message, 1 to 36 visible ASCII characters.",
    ),
]

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""All but tabs and ends of lines: most of them would take six bytes each in a frame."""
_INVISIBLE_CATEGORIES: Final = {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"}
# What Unicode counts as letters, marks or symbols although there is nothing to see: Hangul fillers,
# the empty Braille pattern, joiners, and the selectors of a variant.
_INVISIBLE: Final = {
    *map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)),
    *map(chr, range(0x180B, 0x1810)),
    *map(chr, range(0xFE00, 0xFE10)),
    *map(chr, range(0xE0100, 0xE01F0)),
}


class Message(Struct, frozen=True, kw_only=True):
    """The payload of a message in its JSON form."""

    text: str


class MessageError(ValueError):
    """A payload that is not a message; its text says why."""


def id_header(room: str, id: str) -> dict[str, str]:
    """The header of the message `id` of `room`: the stream compares the ids of all rooms."""
    return {ID_HEADER: f"{room}:{id}"}


def encode(text: str) -> bytes:
    """The payload that carries `text`; raises MessageError if it is blank or too long."""
    if is_blank(text):
        raise MessageError("text: blank")
    payload = msgspec.json.encode(Message(text=text))
    if len(payload) > MAX_BYTES:
        payload = text.encode()  # without the JSON around it; unless the text decodes as JSON
        if decode(payload) != text:
            raise MessageError(f"text: over {MAX_BYTES} bytes as JSON")
    return payload


def decode(payload: bytes) -> str:
    """The text of a message: the `text` of a JSON object that has one, else the payload itself.

    A byte-order mark before either is ignored, half a surrogate pair becomes U+FFFD, and a control
    character a space, but for tabs and ends of lines. Raises MessageError if it is too long, not
    UTF-8, or blank.
    """
    if len(payload) > MAX_BYTES:
        raise MessageError(f"{len(payload)} bytes, {MAX_BYTES} at most")
    text = _decode(payload.removeprefix(b"\xef\xbb\xbf"))
    if is_blank(text):
        raise MessageError("blank")
    return _CONTROLS.sub(" ", text)


def cost(size: int) -> int:
    """The bytes counted for a message whose payload has `size` bytes."""
    return size + OVERHEAD_BYTES


def is_blank(text: str) -> bool:
    """Whether there is nothing to see of it: spaces, controls, and characters without a glyph."""
    return all(
        character in _INVISIBLE or unicodedata.category(character) in _INVISIBLE_CATEGORIES
        for character in text
    )


def _decode(payload: bytes) -> str:
    try:
        return msgspec.json.decode(payload, type=Message).text
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise MessageError("not UTF-8") from None
    return _half_pairs(text) if "\\u" in text else text


def _half_pairs(text: str) -> str:
    """Valid JSON that msgspec refuses: a string with half a surrogate pair, which is no Unicode."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return text
    return str(value["text"]).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
