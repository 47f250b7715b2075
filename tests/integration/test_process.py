"""Services as processes: ports and time limits, which only the process decides."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from support.ports import free_port
from support.process import AsyncProcess
from support.waiting import WAIT_SECONDS, until

HURRIED = (
    "import runtime.process; runtime.process.KEEPALIVE_SECONDS = 0.5; "
    "import coordinator.__main__; coordinator.__main__.main()"
)
"""A coordinator with a shorter keep-alive."""


Serving = Callable[..., AbstractAsyncContextManager[AsyncProcess]]


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    """Run a service as a process, without a bus: it waits for one, and has metrics meanwhile."""

    @asynccontextmanager
    async def run(
        service: str, program: str = "", **settings: str | int
    ) -> AsyncIterator[AsyncProcess]:
        environ = {"PATH": os.environ["PATH"], "NATS_URL": f"nats://127.0.0.1:{free_port()}"}
        process = AsyncProcess(
            service,
            [sys.executable, *(("-c", program) if program else ("-m", service))],
            environ | {name.upper(): str(value) for name, value in settings.items()},
            tmp_path,
        )
        await process.start()
        try:
            yield process
        finally:
            await process.stop()

    return run


async def get(port: int, path: str) -> tuple[int, str]:
    """The answer's status and text; 0 where nothing listens."""
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                return response.status, await response.text()
        except aiohttp.ClientConnectorError:
            return 0, ""


async def until_alive(port: int) -> None:
    async def is_alive() -> bool:
        return (await get(port, "/healthz"))[0] == 200

    await until(is_alive)


@pytest.mark.parametrize("service", ["scheduler", "coordinator", "frontend"])
async def test_metrics_with_a_port_of_their_own_are_on_no_other(
    service: str, serving: Serving
) -> None:
    port, metrics_port = free_port(), free_port()
    async with serving(service, port=port, metrics_port=metrics_port) as process:
        await until_alive(port)
        status, figures = await get(metrics_port, "/metrics")
        assert status == 200
        assert f'service="{service}"' in figures
        assert (await get(port, "/metrics"))[0] == 404
        for path in ("/", "/healthz", "/readyz"):
            assert (await get(metrics_port, path))[0] == 404
        assert await process.stop() == 0


async def test_metrics_without_a_port_of_their_own_are_on_the_service_s(serving: Serving) -> None:
    port = free_port()
    async with serving("scheduler", port=port):
        await until_alive(port)
        assert (await get(port, "/metrics"))[0] == 200


async def test_a_port_for_metrics_that_is_taken_is_reported_in_one_line(serving: Serving) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        metrics_port = taken.getsockname()[1]
        async with serving("scheduler", port=free_port(), metrics_port=metrics_port) as process:
            assert await process.ended(WAIT_SECONDS) == 1
    assert f"METRICS_PORT={metrics_port}: Address already in use" in process.log()
    assert "Traceback" not in process.log()


@pytest.mark.parametrize(
    "sent", [b"", b"GET /ws/conn", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"]
)
async def test_a_connection_that_asks_for_nothing_more_is_closed(
    sent: bytes, serving: Serving
) -> None:
    port = free_port()
    async with serving("coordinator", HURRIED, port=port):
        await until_alive(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), WAIT_SECONDS)
        assert (b"alive" in answer) == sent.endswith(b"\r\n\r\n")
        writer.close()
