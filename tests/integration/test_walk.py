"""docs/walk.md: every function that it names exists, and a click passes them in that order."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import frontend.app
import frontend.settings
from support.nats_server import NatsServer
from support.served import Serve, until_ready
from support.viewer import is_last_tick, viewing

ROOT = Path(__file__).parent.parent.parent
LINE = re.compile(r"^\d+\. `([^`]+)` · `([^`]+)` · [A-Z]", re.MULTILINE)
STATIONS: list[tuple[str, str]] = LINE.findall((ROOT / "docs" / "walk.md").read_text())
IN_PYTHON = [(file, name) for file, name in STATIONS if file.endswith(".py")]
IN_SCRIPT = [(file, name) for file, name in STATIONS if file.endswith(".js")]


@contextmanager
def recorded() -> Iterator[list[tuple[str, str]]]:
    """The calls of the walk's functions, in the order in which they happen."""
    calls: list[tuple[str, str]] = []
    wanted = {(str(ROOT / file), name.rpartition(".")[2]): (file, name) for file, name in IN_PYTHON}

    def note(frame: FrameType, what: str, _: object) -> None:
        if what == "call":
            station = wanted.get((frame.f_code.co_filename, frame.f_code.co_name))
            if station is not None:
                calls.append(station)

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)


async def test_a_click_passes_every_station_of_the_walk_in_its_order(
    nats_server: NatsServer,
    serve_scheduler: Serve,
    serve_coordinator: Serve,
    aiohttp_server: Callable[[web.Application], Awaitable[TestServer]],
) -> None:
    await serve_scheduler()
    settings = frontend.settings.Settings(nats_url=nats_server.url)
    server = await aiohttp_server(frontend.app.create_app(settings))
    await until_ready(server)
    async with viewing(await serve_coordinator()) as viewer, aiohttp.ClientSession() as session:
        await viewer.frame()
        with recorded() as calls:
            address = server.make_url("/api/rooms/main/countdown")
            async with session.post(address, json={"from": 2, "interval_ms": 200}) as answer:
                assert answer.status == 201
            await viewer.until(is_last_tick)
            await asyncio.sleep(0)
    at = iter(calls)
    for station in IN_PYTHON:
        assert station in at, f"{station} is not called after those before it"


@pytest.mark.parametrize(("file", "name"), IN_SCRIPT)
def test_every_function_of_the_page_that_the_walk_names_is_there(file: str, name: str) -> None:
    text = (ROOT / file).read_text()
    method = re.escape(name.rpartition(".")[2])
    assert re.search(rf"(function {method}\(|^  (async )?{method}\()", text, re.MULTILINE), name


def test_the_walk_goes_from_the_button_to_the_digit_without_a_step_back() -> None:
    assert len(STATIONS) >= 16
    files = [file for file, _ in STATIONS]
    runs = [file for n, file in enumerate(files) if n == 0 or files[n - 1] != file]
    twice = {file for file in runs if runs.count(file) > 1}
    assert twice <= {
        "libs/protocol/src/protocol/rules.py",  # for the start, then for the tick
        "services/scheduler/src/scheduler/deadlines.py",  # at the deadline, then in turn
    }
