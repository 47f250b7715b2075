"""The names on the bus: the stream, its two subjects per room, and the services' subjects."""

import re
from functools import lru_cache
from typing import Annotated, Final

from msgspec import Meta

STREAM: Final = "COUNTDOWN"
ALL_EVENTS: Final = "countdown.*.events"
ALL_MESSAGES: Final = "countdown.*.message"
ALL_LIVE_EVENTS: Final = "live.{{wildcard(1)}}.events"
"""Where the stream republishes the events that it has stored."""
PEOPLES_MESSAGES: Final = "people.*.message"
"""Where the bus takes the messages of people without a password, see deploy/nats.conf; schedulers
relay them to the stream."""
EVENTS_TEMPLATE: Final = "countdown.{room}.events"
"""The subjects of all rooms' events, to people who look at traces."""

START: Final = "scheduler.start"
HOLD: Final = "scheduler.hold"
RESUME: Final = "scheduler.resume"
ADJUST: Final = "scheduler.adjust"
RECYCLE: Final = "scheduler.recycle"
CANCEL: Final = "scheduler.cancel"
ROOM: Final = "coordinator.room"
PRESENCE: Final = "presence.coordinator"
"""Coordinators exchange their viewer counts here; nobody else needs it."""

DEFAULT_ROOM: Final = "main"
# Python's `$` also matches before a trailing newline; the look-ahead prevents that everywhere.
ROOM_PATTERN: Final = r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$(?!\n)"
RoomName = Annotated[
    str,
    Meta(
        pattern=ROOM_PATTERN,
        description="Lower-case letters, digits and inner hyphens, 1 to 64 characters.",
    ),
]
MAX_ROOMS: Final = 50
"""The most rooms that one connection, one page or one request names."""
_room = re.compile(ROOM_PATTERN)
_LONGEST = len("countdown..message") + 64


def is_room(name: str) -> bool:
    """Whether `name` may name a room."""
    return _room.match(name) is not None


class RoomsError(ValueError):
    """Not a list of rooms; the text says why."""


def rooms(names: str) -> list[str]:
    """The rooms of a list such as `quiz,launch`, each once and at most MAX_ROOMS.

    Raises RoomsError.
    """
    given = names.split(",")
    if len(given) > MAX_ROOMS:
        raise RoomsError(f"at most {MAX_ROOMS} rooms")
    for place, name in enumerate(given):
        if not is_room(name):
            raise RoomsError(f"{name[:80]!r} is not a room's name")
        if name in given[:place]:
            raise RoomsError(f"{name!r} is named twice")
    return given


def events(room: str) -> str:
    """The subject of a room's history."""
    return f"countdown.{room}.events"


def live_events(room: str) -> str:
    """Where the stream republishes the events of a room once it has stored them."""
    return f"live.{room}.events"


def messages(room: str) -> str:
    """The subject of a room's messages."""
    return f"countdown.{room}.message"


def peoples_room(subject: str) -> str | None:
    """The room that a person's message is for; None if the subject names none."""
    room = subject.removeprefix("people.").removesuffix(".message")
    return room if is_room(room) else None


def parse(subject: str) -> tuple[str, str] | None:
    """Split a subject of the stream into its room and its kind, `events` or `message`.

    None if it is neither, or if the room's name is invalid (NATS allows names that we do not).
    """
    return _parse(subject) if len(subject) <= _LONGEST else None


@lru_cache(maxsize=10_000)
def _parse(subject: str) -> tuple[str, str] | None:
    match subject.split("."):
        case ["countdown", room, ("events" | "message") as kind] if is_room(room):
            return room, kind
    return None
