"""The front door: the address of a page, what the page says, and requests to its API."""

import json
import re
import secrets
from typing import NoReturn

import aiohttp
from msgspec import Struct
from yarl import URL

from protocol import subjects

ANSWER_SECONDS = 5.0
OWN = "canary-"
"""How the name of a room begins that nobody but a canary uses."""
_DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)
_BASE = re.compile(r'<html[^>]* data-base="([^"]*)"')


class CanaryError(Exception):
    """What keeps a canary from counting, as one sentence."""


class Front(Struct, frozen=True):
    """Where a room's page is, and the right to control the room."""

    page: URL
    room: str
    token: str = ""

    @property
    def is_own(self) -> bool:
        """Whether nobody else has a run in the room."""
        return self.room.startswith(OWN)


def front(address: str, room: str = "", token: str = "") -> Front:
    """The front door at an address: that of the site, or of a room, which may carry a link.

    Without a room it gets one of its own, whose name nobody guesses. Raises ValueError.
    """
    url = URL(address)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("expected http://host[:port] or https://host[:port]")
    link = url.query.get("link", "")
    base, found, name = url.path.rstrip("/").rpartition("/r/")
    if not found:
        base, name = url.path.rstrip("/"), room or OWN + secrets.token_hex(8)
    elif room not in ("", name):
        raise ValueError(f"the address is that of room {name}")
    if not subjects.is_room(name):
        raise ValueError(f"{name[:80]!r} is not a room's name")
    page = url.with_path(f"{base}/r/{name}").with_query({"link": link} if link else None)
    return Front(page, name, link or ("" if token == "none" else token))


class Door(Struct, frozen=True):
    """What the page says: where its sockets go, in turn, and where its API is."""

    room: str
    origin: str
    sockets: list[URL]
    api: URL


async def opened(http: aiohttp.ClientSession, front: Front) -> Door:
    """Load the page, as a browser does. Raises CanaryError."""
    shown = front.page.with_query(None)
    status, text, url = await _answer(http, "GET", front.page, f"the page {shown}")
    if status != 200:
        raise CanaryError(f"the page {shown} answers {status}")
    data, base = _DATA.search(text), _BASE.search(text)
    if data is None or base is None:
        raise CanaryError(f"the page {shown} is not one of a room")
    said = json.loads(data[1])
    scheme = "wss" if url.scheme == "https" else "ws"
    hosts = said["hosts"] or [url.authority]
    return Door(
        said["room"],
        str(url.origin()),
        [URL(f"{scheme}://{host}{said['path']}") for host in hosts],
        url.with_path(f"{base[1]}/api/rooms/{said['room']}/countdown").with_query(None),
    )


async def asked(
    http: aiohttp.ClientSession, method: str, door: Door, front: Front, body: object = None
) -> tuple[int, dict[str, object]]:
    """Ask the API to start a run (POST), or to cancel the one under way (DELETE).

    Gives the status and the answer. Raises CanaryError if none comes.
    """
    headers = {"Authorization": f"Bearer {front.token}"} if front.token else {}
    status, text, _ = await _answer(
        http, method, door.api, f"the API {door.api}", json=body, headers=headers
    )
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    return status, answer if isinstance(answer, dict) else {}


async def _answer(
    http: aiohttp.ClientSession, method: str, url: URL, what: str, **request: object
) -> tuple[int, str, URL]:
    limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    try:
        async with http.request(method, url, timeout=limit, **request) as answer:  # type: ignore[arg-type]
            return answer.status, await answer.text(errors="replace"), answer.url
    except TimeoutError:
        raise CanaryError(f"{what} does not answer within {ANSWER_SECONDS:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        _unreachable(what, error)


def _unreachable(what: str, error: Exception) -> NoReturn:
    raise CanaryError(f"{what} can't be reached: {error}") from None
