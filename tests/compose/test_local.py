"""The stack as it runs without Docker: processes of this machine on free ports."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import addresses
import aiohttp
import nats
import pytest

from protocol.frames import Hello, MessageFrame, TickFrame
from support import ROOT
from support.ports import free_ports
from support.process import Process
from support.skip import skip

from .stack import next_frame

READY_SECONDS = 60.0
LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Ports:
    """Where the stack under test listens: all of it on ports that were free."""

    bus: int
    schedulers: tuple[int, int]
    coordinators: tuple[int, int]
    auditor: int
    page: int

    def settings(self, stream: Path) -> dict[str, str]:
        """The environment that moves the stack there."""
        return {
            "BUS_PORT": str(self.bus),
            "SCHEDULER_PORTS": ",".join(map(str, self.schedulers)),
            "COORDINATOR_PORTS": ",".join(map(str, self.coordinators)),
            "AUDITOR_PORT": str(self.auditor),
            "PAGE_PORT": str(self.page),
            "STREAM_DIR": str(stream),
            # A .env may hold it for one service by itself; here it would apply to all.
            "METRICS_PORT": str(self.page),
        }


@pytest.fixture
def ports() -> Ports:
    """Seven free ports."""
    free = free_ports(7)
    return Ports(free[0], (free[1], free[2]), (free[3], free[4]), free[5], free[6])


class Stack(Process):
    """`dev/stack.py` as a process."""

    def __init__(self, ports: Ports, folder: Path, **settings: str) -> None:
        environ = {"PATH": os.environ["PATH"], **ports.settings(folder / "stream"), **settings}
        super().__init__("local", [sys.executable, "dev/stack.py"], environ, folder, cwd=ROOT)
        self._read = 0

    def read_until(self, words: str) -> str:
        """Read on, up to a line with `words`, and give that line."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            is_over = not self.is_running or time.monotonic() > deadline
            for line in self.log()[self._read :].splitlines(keepends=True):
                if not line.endswith("\n"):
                    break  # the rest of it is still to come
                self._read += len(line)
                if words in line:
                    return line
            if is_over:
                pytest.fail(f"{words!r} was never printed:\n{self.log()}")
            time.sleep(LOOK_SECONDS)

    def service_pid(self, name: str) -> int:
        """The process id of the service `name`, a child of the shell whose id is logged."""
        [shell] = re.findall(rf"{name} started \(pid=(\d+)\)", self.log())
        return int(subprocess.check_output(["pgrep", "-P", shell], text=True))


@pytest.fixture
def stack(ports: Ports, tmp_path: Path) -> Iterator[Stack]:
    """The running stack, ready."""
    stack = Stack(ports, tmp_path)
    stack.start()
    try:
        stack.read_until(f"http://localhost:{ports.page}")
        yield stack
    finally:
        stack.stop()


async def test_viewers_of_both_coordinators_count_the_same_ticks_and_see_a_message(
    ports: Ports, stack: Stack
) -> None:
    addresses = [f"ws://127.0.0.1:{port}/ws/connect?room=main" for port in ports.coordinators]
    bus = await nats.connect(f"nats://127.0.0.1:{ports.bus}")
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(addresses[0]) as one,
        http.ws_connect(addresses[1]) as other,
    ):
        terms = {"from": 3, "interval_ms": 200}
        address = f"http://127.0.0.1:{ports.page}/api/rooms/main/countdown"
        async with http.post(address, json=terms) as started:
            assert started.status == 201
        ticks = [await next_frame(one, TickFrame) for _ in range(4)]
        assert [tick.remaining for tick in ticks] == [3, 2, 1, 0]
        assert [await next_frame(other, TickFrame) for _ in range(4)] == ticks
        await bus.publish("countdown.main.message", b"hello")
        assert (await next_frame(one, MessageFrame)).text == "hello"
    await bus.close()


async def test_nobody_without_a_password_can_forge_a_tick(ports: Ports, stack: Stack) -> None:
    violation: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def report(error: Exception) -> None:
        violation.set_result(str(error))

    bus = await nats.connect(f"nats://127.0.0.1:{ports.bus}", error_cb=report)
    await bus.publish("countdown.main.events", b"{}")
    words = await asyncio.wait_for(violation, 5)
    assert "permissions violation" in words
    assert "countdown.main.events" in words
    await bus.close()


async def test_nobody_without_a_password_makes_or_names_consumers(
    ports: Ports, stack: Stack
) -> None:
    # Some hundreds would hold up every tick; and those of the services could be deleted.
    words: list[str] = []

    async def report(error: Exception) -> None:
        words.append(str(error))

    bus = await nats.connect(f"nats://127.0.0.1:{ports.bus}", error_cb=report)
    for question in ("CREATE", "NAMES", "LIST"):
        with pytest.raises(nats.errors.TimeoutError):
            await bus.request(f"$JS.API.CONSUMER.{question}.COUNTDOWN", timeout=0.5)
        assert "permissions violation" in words.pop()
    await bus.close()


def test_a_service_that_is_killed_comes_back(stack: Stack) -> None:
    killed = stack.service_pid("scheduler-1")
    os.kill(killed, signal.SIGKILL)
    stack.read_until("killed: starting it again")
    assert "scheduler-1" in stack.read_until("following")
    assert stack.service_pid("scheduler-1") != killed


def test_stopping_it_stops_every_process(ports: Ports, stack: Stack) -> None:
    assert stack.stop() == 0
    for port in (ports.bus, *ports.schedulers, *ports.coordinators, ports.page):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_that_is_taken_is_reported_in_one_line(ports: Ports, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", ports.coordinators[1])):
        stack = Stack(ports, tmp_path)
        stack.start()
        assert stack.ended() == 1
    [line] = stack.log().splitlines()
    assert str(ports.coordinators[1]) in line
    assert "COORDINATOR_PORTS" in line


def test_a_host_that_this_machine_does_not_have_is_reported_in_one_line(
    ports: Ports, tmp_path: Path
) -> None:
    stack = Stack(ports, tmp_path, HOST="198.51.100.1")
    stack.start()
    assert stack.ended() == 1
    [line] = stack.log().splitlines()
    assert "HOST=198.51.100.1" in line


def lan_address() -> str:
    found = addresses.announce("0.0.0.0", 1).splitlines()
    if len(found) == 1:
        skip("this machine is in no network")
    return found[0].removeprefix("http://").removesuffix(":1")


async def test_a_phone_in_the_same_network_opens_the_page_and_its_socket(
    ports: Ports, tmp_path: Path
) -> None:
    host = lan_address()
    stack = Stack(ports, tmp_path, HOST="0.0.0.0")
    stack.start()
    try:
        page = f"http://{host}:{ports.page}"
        stack.read_until(page)
        stack.read_until(f"http://localhost:{ports.page}")
        async with aiohttp.ClientSession() as http:
            async with http.get(page) as response:
                [data] = re.findall(r'id="data">(.*?)</script>', await response.text())
                policy = response.headers["Content-Security-Policy"]
            told = json.loads(data)
            assert told["hosts"] == [f"{host}:{port}" for port in ports.coordinators]
            for socket_host in told["hosts"]:
                assert f"ws://{socket_host}" in policy
                address = f"ws://{socket_host}{told['path']}?room=main"
                async with http.ws_connect(address, origin=page) as viewer:
                    assert (await next_frame(viewer, Hello)).room == "main"
            async with http.post(
                f"{page}/api/rooms/main/countdown", headers={"Origin": page}
            ) as started:
                assert started.status == 201
        for port in (ports.bus, *ports.schedulers):
            with socket.socket() as probe:
                assert probe.connect_ex((host, port)) != 0
    finally:
        stack.stop()
