"""The page of a room: its address, what it says, and requests to its API."""

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


class Target(Struct, frozen=True):
    """Where a room's page is, and the right to control the room."""

    page: URL
    room: str
    token: str = ""

    @property
    def is_own(self) -> bool:
        """Whether nobody else has a run in the room."""
        return self.room.startswith(OWN)


def target_at(address: str, room: str = "", token: str = "") -> Target:
    """The target at an address: that of the site, or of a room, which may carry a link.

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
    return Target(page, name, link or ("" if token == "none" else token))


class Page(Struct, frozen=True):
    """What the page says: where its sockets go, in turn, and where its API is."""

    target: Target
    origin: str
    sockets: list[URL]
    api: URL


async def opened(http: aiohttp.ClientSession, target: Target) -> Page:
    """Load the page, as a browser does. Raises CanaryError."""
    shown = target.page.with_query(None)
    status, text, url = await _answer(http, "GET", target.page, f"the page {shown}")
    if status != 200:
        raise CanaryError(f"the page {shown} answers {status}")
    data, base = _DATA.search(text), _BASE.search(text)
    if data is None or base is None:
        raise CanaryError(f"the page {shown} is not one of a room")
    said = json.loads(data[1])
    scheme = "wss" if url.scheme == "https" else "ws"
    hosts = said["hosts"] or [url.authority]
    return Page(
        target,
        str(url.origin()),
        [URL(f"{scheme}://{host}{said['path']}") for host in hosts],
        url.with_path(f"{base[1]}/api/rooms/{said['room']}/countdown").with_query(None),
    )


async def asked(
    http: aiohttp.ClientSession,
    method: str,
    page: Page,
    body: object = None,
    run: str | None = None,
) -> tuple[int, dict[str, object]]:
    """Ask the API to start a run (POST), or to cancel `run`, None being any (DELETE).

    Gives the status and the answer. Raises CanaryError if none comes.
    """
    token = page.target.token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    api = page.api if run is None else page.api.with_query(run=run)
    status, text, _ = await _answer(http, method, api, f"the API {api}", json=body, headers=headers)
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
