"""Making links: rights for a room to hand on; `python -m frontend.links` prints one.

Only who has the control token, or the machine's settings, makes links: no link makes another.
"""

import argparse
import math
import os
import sys
import time
from typing import Annotated, Final

from msgspec import Meta, Struct

from protocol import subjects
from protocol.events import EpochMs
from runtime.settings import SettingsError, load

from .problem import not_valid
from .rights import Keys, Link, RightName
from .settings import Settings

HOURS: Final = 12.0
"""How long a link lasts if nothing else is said."""
MAX_HOURS: Final = 366 * 24.0
RIGHTS: Final[list[RightName]] = ["watch", "say", "control"]


class LinkBody(Struct):
    """A link to make; without an end it lasts for twelve hours."""

    right: RightName
    hours: Annotated[float, Meta(gt=0, le=MAX_HOURS)] | None = None
    ends_at: EpochMs | None = None


class MadeLink(Struct):
    """A link, as an address and as the token in it, and its end."""

    link: str
    token: str
    right: RightName
    ends_at: int


def make(keys: Keys, page: str, room: str, body: LinkBody, now: float) -> MadeLink:
    """A link to the room's `page`; `now` is in seconds since the Unix epoch. Raises Problem."""
    link = Link(room, body.right, math.ceil(_end(body, now)))
    token = keys.sign(link)
    return MadeLink(f"{page}?link={token}", token, link.right, link.exp * 1000)


def to_control(keys: Keys, room: str, now: float) -> str:
    """The token of a link for who has just signed in."""
    return keys.sign(Link(room, "control", math.ceil(now + HOURS * 3600)))


def _end(body: LinkBody, now: float) -> float:
    """In seconds since the Unix epoch."""
    if body.ends_at is None:
        return now + (HOURS if body.hours is None else body.hours) * 3600
    if body.hours is not None:
        raise not_valid("ends_at: is given, and so is hours")
    if not 0 < body.ends_at / 1000 - now <= MAX_HOURS * 3600:
        raise not_valid("ends_at: out of range")
    return body.ends_at / 1000


def main() -> None:
    """The program: prints a link's address, made with the settings of the environment."""
    parser = argparse.ArgumentParser(
        prog="python -m frontend.links", description="Print a link that carries a right for a room."
    )
    parser.add_argument("--room", type=_room, default=subjects.DEFAULT_ROOM)
    parser.add_argument("--right", choices=RIGHTS, default="control")
    parser.add_argument("--hours", type=_hours, default=HOURS, help="how long it lasts; 12")
    parser.add_argument("--base", type=_base, help="where the page is, such as https://example.org")
    asked = parser.parse_args()
    try:
        settings = load(Settings, os.environ)
    except SettingsError as error:
        sys.exit(f"links: {error}")
    keys = settings.link_signers()
    if keys is None:
        sys.exit("links: CONTROL_TOKEN is not set: anybody may control the rooms")
    base = asked.base or f"http://localhost:{settings.port}"
    page = f"{base}{settings.base_path}/r/{asked.room}"
    print(make(keys, page, asked.room, LinkBody(asked.right, asked.hours), time.time()).link)


def _room(name: str) -> str:
    if not subjects.is_room(name):
        raise argparse.ArgumentTypeError("1 to 64 lower-case letters, digits and inner hyphens")
    return name


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours <= MAX_HOURS:
        raise argparse.ArgumentTypeError(f"a number above 0, {MAX_HOURS:g} at most")
    return hours


def _base(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError("http://host[:port] or https://host[:port]")
    return text.rstrip("/")


if __name__ == "__main__":
    main()
