"""The stack with deploy/direct.yml: the page through the edge, its sockets past it."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import aiohttp
import pytest

from protocol.frames import Bye, Hello, TickFrame
from support.waiting import until

from .stack import UP_SECONDS, Stack, in_files, next_frame, running

SECRETS = {"CONTROL_TOKEN": "open sesame", "LINK_KEYS": f"now:{'n' * 32}"}
REPLACED_SECONDS = 30.0
BEARING = {"Authorization": f"Bearer {SECRETS['CONTROL_TOKEN']}"}


@pytest.fixture(scope="module")
def sockets() -> str:
    """The coordinators' two published ports: a range, so they have to be neighbours."""
    for port in range(28_787, 30_000, 2):
        with socket.socket() as one, socket.socket() as other, suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return f"{port}-{port + 1}"
    pytest.fail("no two free ports side by side")


@pytest.fixture(scope="module")
def hosts(sockets: str) -> list[str]:
    return [f"localhost:{port}" for port in sockets.split("-")]


@pytest.fixture(scope="module")
def stack(
    sockets: str, hosts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    secrets = in_files(tmp_path_factory.mktemp("secrets"), SECRETS)
    with running(
        "deploy/direct.yml", SOCKET_PORTS=sockets, WS_HOST=",".join(hosts), **secrets
    ) as stack:
        yield stack


async def test_the_token_in_a_file_is_asked_for_and_docker_does_not_show_it(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    async with http.post(stack.countdown(room)) as answer:
        assert answer.status == 401
    assert not any(secret in stack.shown() for secret in SECRETS.values())


async def test_the_page_names_the_coordinators_and_each_shows_the_countdown(
    stack: Stack, http: aiohttp.ClientSession, hosts: list[str], room: str
) -> None:
    async with http.get(f"{stack.origin}/r/{room}") as page:
        text = await page.text()
    origin = f"http://localhost:{stack.page_port}"
    seen: list[list[int]] = []
    for host in hosts:
        assert host in text
        address = f"ws://{host}/ws/connect?room={room}"
        async with http.ws_connect(address, origin=origin) as viewer:
            await next_frame(viewer, Hello)
            if not seen:
                terms = {"from": 1, "interval_ms": 100}
                await http.post(stack.countdown(room), json=terms, headers=BEARING)
            seen.append([(await next_frame(viewer, TickFrame)).seq for _ in range(2)])
    assert seen[0] == seen[1]


async def test_a_page_of_another_site_gets_no_socket(
    stack: Stack, http: aiohttp.ClientSession, hosts: list[str], room: str
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(
            f"ws://{hosts[0]}/ws/connect?room={room}", origin="https://other.example"
        )
    assert refused.value.status == 403


async def test_strangers_get_no_metrics_and_operators_do(
    stack: Stack, http: aiohttp.ClientSession, hosts: list[str]
) -> None:
    async with http.get(f"http://{hosts[0]}/metrics") as metrics:
        assert metrics.status == 404
    assert "tminus_viewers " in figures(stack)


async def test_workers_share_a_coordinators_port_and_sighup_replaces_them(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """The last test here: both coordinators give way to one with workers."""
    stack = replace(stack, settings=stack.settings | {"WORKERS": "2"})
    up = ["up", "--detach", "--wait", "--no-deps", "--scale", "coordinator=1", "coordinator"]
    stack.compose(*up, timeout=UP_SECONDS)
    address = f"ws://{stack.compose('port', 'coordinator', '8787').strip()}/ws/connect"
    async with http.ws_connect(f"{address}?room={room}") as viewer:
        epoch = (await next_frame(viewer, Hello)).epoch
        terms = {"from": 1, "interval_ms": 100}
        await http.post(stack.countdown(room), json=terms, headers=BEARING)
        ticks = [await next_frame(viewer, TickFrame) for _ in range(2)]
        stack.compose("kill", "--signal", "HUP", "coordinator")
        await next_frame(viewer, Bye)

    async def are_replaced() -> bool:
        return set(re.findall(r'tminus_ready{worker="(.)"} 1', figures(stack))) == {"3", "4"}

    await until(are_replaced, REPLACED_SECONDS)
    resume = f"{address}?room={room}&epoch={epoch}&after={ticks[0].seq}"
    async with http.ws_connect(resume) as viewer:
        assert await next_frame(viewer, TickFrame) == ticks[1]


def figures(stack: Stack) -> str:
    """The metrics of a coordinator, as operators get them."""
    program = (
        "from urllib.request import urlopen; "
        "print(urlopen('http://127.0.0.1:9787/metrics').read().decode())"
    )
    return stack.compose("exec", "-T", "coordinator", "python", "-c", program)
