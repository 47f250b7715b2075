"""Free text sent to a room, as it comes from the bus: JSON with a `text`, or plain text."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

MAX_BYTES: Final = 4096
"""The largest payload of a message, in bytes."""
ID_HEADER: Final = "Nats-Msg-Id"
"""The header by which the stream recognises a message that is sent again."""

# Python's `$` also matches before a trailing newline; the look-ahead prevents that everywhere.
MessageId = Annotated[
    str,
    Meta(
        pattern=r"^[!-~]{1,36}$(?!\n)",
        description="Opaque id of a message, 1 to 36 visible ASCII characters.",
    ),
]


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
    if not text.strip():
        raise MessageError("text: blank")
    payload = msgspec.json.encode(Message(text=text))
    if len(payload) > MAX_BYTES:
        payload = text.encode()  # without the JSON around it; unless the text decodes as JSON
        if decode(payload) != text:
            raise MessageError(f"text: over {MAX_BYTES} bytes as JSON")
    return payload


def decode(payload: bytes) -> str:
    """The text of a message: the `text` of a JSON object that has one, else the payload itself.

    Raises MessageError if it is too long, not UTF-8, or blank.
    """
    if len(payload) > MAX_BYTES:
        raise MessageError(f"{len(payload)} bytes, {MAX_BYTES} at most")
    try:
        text = msgspec.json.decode(payload, type=Message).text
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            raise MessageError("not UTF-8") from None
    if not text.strip():
        raise MessageError("blank")
    return text
