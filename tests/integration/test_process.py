"""Services as processes: ports and time limits, which only the process decides."""

import asyncio
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from runtime.log_limit import LINES
from support.nats_server import NatsServer
from support.ports import free_port, free_ports
from support.probe import asked, until_alive
from support.served import Serving
from support.viewer import UPGRADE
from support.waiting import WAIT_SECONDS, until

HURRIED = (
    "import runtime.process; runtime.process.KEEPALIVE_SECONDS = 0.5; "
    "import coordinator.__main__; coordinator.__main__.main()"
)
"""A coordinator with a shorter keep-alive."""


@pytest.mark.parametrize("service", ["scheduler", "coordinator", "frontend", "auditor"])
async def test_metrics_with_a_port_of_their_own_are_on_no_other(
    service: str, serving: Serving
) -> None:
    port, metrics_port = free_port(), free_port()
    async with serving(service, port=port, metrics_port=metrics_port) as process:
        await until_alive(port)
        status, figures = await asked(metrics_port, "/metrics")
        assert status == 200
        assert f'service="{service}"' in figures
        assert (await asked(port, "/metrics"))[0] == 404
        assert (await asked(metrics_port, "/"))[0] == 404
        assert await asked(metrics_port, "/healthz") == await asked(port, "/healthz")
        assert await asked(metrics_port) == await asked(port)
        assert await process.stop() == 0


async def test_metrics_without_a_port_of_their_own_are_on_the_service_s(serving: Serving) -> None:
    port = free_port()
    async with serving("scheduler", port=port):
        await until_alive(port)
        assert (await asked(port, "/metrics"))[0] == 200


async def test_a_port_for_metrics_that_is_taken_is_reported_in_one_line(serving: Serving) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        metrics_port = taken.getsockname()[1]
        async with serving("scheduler", port=free_port(), metrics_port=metrics_port) as process:
            assert await process.ended(WAIT_SECONDS) == 1
    assert f"METRICS_PORT={metrics_port}: Address already in use" in process.log()
    assert "Traceback" not in process.log()


@asynccontextmanager
async def connected(port: int, count: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Connections that ask for nothing."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    try:
        yield [reader for reader, _ in streams]
    finally:
        for _, writer in streams:
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"max_connections_per_address": 3}, "429 Too Many Requests"),
        ({"max_connections": 3}, "503 Service Unavailable"),
        ({"max_connections": 3, "trusted_proxies": "127.0.0.1"}, "503 Service Unavailable"),
    ],
)
async def test_a_connection_over_the_limit_is_answered_and_closed(
    settings: dict[str, str | int], status: str, serving: Serving
) -> None:
    port, metrics_port = free_ports(2)
    async with serving("frontend", port=port, metrics_port=metrics_port, **settings) as process:
        await until_alive(port)
        async with connected(port, 4) as readers:
            # Strangers may take all of them, and whoever decides to kill the process still gets in.
            assert (await asked(metrics_port, "/healthz"))[0] == 200
            answers = [asyncio.create_task(reader.read()) for reader in readers]
            # With several listening sockets any of them may be the last that is accepted.
            done, idle = await asyncio.wait(
                answers, timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            [refused] = done
            answer = (await refused).decode()
            assert answer.startswith(f"HTTP/1.1 {status}\r\n")
            assert "\r\nRetry-After: 5\r\n" in answer
            for task in idle:
                task.cancel()
        await until_alive(port)  # they have made place
        _, figures = await asked(metrics_port, "/metrics")
        assert re.search(r'tminus_connections_refused_total{reason="a\w+"} [1-9]', figures)
    assert "Traceback" not in process.log()


async def test_a_trusted_proxy_may_have_many_connections(serving: Serving) -> None:
    port = free_port()
    settings: dict[str, str | int] = {
        "max_connections_per_address": 1,
        "trusted_proxies": "127.0.0.0/8",
    }
    async with serving("frontend", port=port, **settings):
        await until_alive(port)
        async with connected(port, 3):
            assert (await asked(port, "/healthz"))[0] == 200


async def test_viewers_are_not_among_the_connections(
    nats_server: NatsServer, serving: Serving
) -> None:
    port = free_port()
    settings: dict[str, str | int] = {"nats_url": nats_server.url, "max_connections": 2}
    async with serving("coordinator", port=port, **settings), aiohttp.ClientSession() as session:

        async def is_ready() -> bool:
            return (await asked(port, "/readyz"))[0] == 200

        await until(is_ready)
        viewers = [
            await session.ws_connect(f"http://127.0.0.1:{port}/ws/connect") for _ in range(5)
        ]
        for viewer in viewers:
            await viewer.close()


async def test_a_handshake_that_offers_other_subprotocols_is_not_logged(
    nats_server: NatsServer, serving: Serving
) -> None:
    port = free_port()
    settings: dict[str, str | int] = {"nats_url": nats_server.url, "port": port}
    async with (
        serving("coordinator", **settings) as process,
        aiohttp.ClientSession() as session,
    ):

        async def is_ready() -> bool:
            return (await asked(port, "/readyz"))[0] == 200

        await until(is_ready)
        address = f"http://127.0.0.1:{port}/ws/connect"
        async with session.ws_connect(address, protocols=["mqtt"]) as viewer:
            assert (await viewer.receive_json())["protocol"] == 1
        assert "mqtt" not in process.log()


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


async def test_a_log_has_so_many_lines_of_what_anybody_sends(serving: Serving) -> None:
    port, metrics_port, count = *free_ports(2), 3 * LINES
    settings: dict[str, str | int] = {
        "port": port,
        "metrics_port": metrics_port,
        "app_env": "production",
    }
    handshake = {**UPGRADE, "Host": "a", "Origin": "https://b.example"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in handshake.items())
    async with serving("coordinator", **settings) as process:
        await until_alive(port)
        for sent in ("GET / HTTP/1.1\r\n\r\n", f"GET /ws/connect HTTP/1.1\r\n{lines}\r\n"):
            for _ in range(count):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(sent.encode())
                await reader.readline()
                writer.close()
                await writer.wait_closed()
        _, figures = await asked(metrics_port, "/metrics")
        for status in (400, 403):  # all are counted
            assert f'tminus_http_refused_total{{status="{status}"}} {count}.0' in figures
        log = process.log()
    assert log.count("Error handling request") == LINES
    assert log.count("refused a page") == LINES


@pytest.mark.parametrize("service", ["coordinator", "frontend"])
@pytest.mark.parametrize(("size", "status"), [(9_000, 200), (30_000, 200), (40_000, 400)])
async def test_cookies_of_other_services_may_be_many(
    service: str, size: int, status: int, serving: Serving
) -> None:
    port = free_port()
    async with serving(service, port=port):
        await until_alive(port)
        address = f"http://127.0.0.1:{port}/healthz"
        async with aiohttp.ClientSession() as session:
            async with session.get(address, headers={"Cookie": "a=" + "x" * size}) as response:
                assert response.status == status
            if status == 200:  # a Referer may be as long, and so may the address itself
                async with session.get(f"{address}?{'x' * size}") as response:
                    assert response.status == status


MACOS = """
import resource, socket, sys
sys.platform = "darwin"
if hasattr(socket, "TCP_USER_TIMEOUT"):
    del socket.TCP_USER_TIMEOUT
limits = [(256, resource.RLIM_INFINITY)]
def setrlimit(_, wanted):
    if not 0 <= wanted[0] <= 10_240:
        raise ValueError("current limit exceeds maximum limit")
    limits.append(wanted)
resource.getrlimit, resource.setrlimit = lambda _: limits[-1], setrlimit
"""
WINDOWS = """
import asyncio, sys
sys.platform = "win32"
sys.modules["resource"] = sys.modules["uvloop"] = None
def add_signal_handler(*_):
    raise NotImplementedError
asyncio.SelectorEventLoop.add_signal_handler = add_signal_handler
"""


@pytest.mark.parametrize("system", [MACOS, WINDOWS], ids=["macos", "windows"])
@pytest.mark.parametrize("service", ["scheduler", "coordinator", "frontend", "auditor"])
async def test_a_service_runs_on_what_other_systems_have(
    system: str, service: str, serving: Serving
) -> None:
    port = free_port()
    # Libraries look at the system when they are imported, and here it is Linux all the same.
    program = f"import {service}.__main__\n{system}\n{service}.__main__.main()"
    async with serving(service, program, port=port) as process:
        await until_alive(port)
        assert "Traceback" not in process.log()


async def open_connections(metrics_port: int) -> int:
    _, figures = await asked(metrics_port, "/metrics")
    return round(float(re.findall(r"^tminus_connections (\S+)$", figures, re.MULTILINE)[0]))


@pytest.mark.parametrize("service", ["coordinator", "frontend"])
async def test_who_has_connected_before_the_end_and_asks_after_it_is_answered(
    service: str, serving: Serving
) -> None:
    port, metrics_port = free_ports(2)
    async with serving(service, port=port, metrics_port=metrics_port) as process:
        await until_alive(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def is_accepted() -> bool:
            return await open_connections(metrics_port) == 1

        await until(is_accepted)
        process.end_by(signal.SIGTERM)

        async def accepts_no_more() -> bool:
            return await asked(port, "/healthz") == (0, "")

        await until(accepts_no_more)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), WAIT_SECONDS)  # which is also closed then
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
        assert await process.ended() == 0
