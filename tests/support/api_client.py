"""The JSON API as a program uses it: a request, its status and its body's JSON."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer
from yarl import URL

Reply = tuple[int, Any]
Api = Callable[..., Awaitable[Reply]]


@asynccontextmanager
async def calling(frontend: TestServer) -> AsyncIterator[Api]:
    """Call `api(method, path, body, **headers)`; the path is below `/api/rooms/`."""
    async with aiohttp.ClientSession() as session:

        async def api(method: str, path: str, body: object = None, **headers: str) -> Reply:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            url = URL(f"{frontend.make_url('/api/rooms/')}{path}", encoded=True)
            async with session.request(method, url, json=body, headers=sent) as answer:
                return answer.status, await answer.json()

        yield api


async def submit(page: TestServer, form: str, fields: dict[str, str]) -> tuple[int, str]:
    """Send a form as a browser without a script does; gives the status and the page."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(page.make_url(f"/r/main/{form}"), data=fields, allow_redirects=False) as got,
    ):
        return got.status, await got.text()
