"""A frontend that asks for a right: its token, its links, and what its pages answer."""

import re
import time

import aiohttp
from aiohttp.test_utils import TestServer
from yarl import URL

from frontend import rights
from frontend.rights import Link, RightName

KEYS = f"new:{'n' * 32},old:{'o' * 32}"
TOKEN = "sesame"
GUARDED = {"control_token": TOKEN, "link_keys": KEYS}
"""Settings of a frontend that asks for a right."""
Asked = tuple[int, str, str]


def made(right: RightName = "control", room: str = "main", seconds: float = 60) -> str:
    return rights.parse(KEYS).sign(Link(room, right, int(time.time() + seconds)))


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def ask(server: TestServer, path: str, form: dict[str, str] | None = None) -> Asked:
    """Load a page, or send a form; gives the status, the page and where it leads."""
    method = "GET" if form is None else "POST"
    url = URL(f"{server.make_url('/')}".rstrip("/") + path, encoded=True)
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, data=form, allow_redirects=False) as got,
    ):
        return got.status, await got.text(), got.headers.get("Location", "")


def forms(html: str) -> set[str]:
    """The forms in a page that change something."""
    return set(re.findall(r'<form method="post" action="/r/main/(\w+)"', html))
