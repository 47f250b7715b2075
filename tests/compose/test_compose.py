"""The stack as strangers start it: brought up by Compose, used through its two open ports."""

import json
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec
import pytest

from protocol.frames import Frame, Hello, MessageFrame, TickFrame

ROOT = Path(__file__).parent.parent.parent
UP_SECONDS = 600.0
FRAME_SECONDS = 20.0

F = TypeVar("F", Hello, TickFrame, MessageFrame)

_frames = msgspec.json.Decoder(Frame)


@dataclass(frozen=True)
class Stack:
    """A running stack of its own: project, ports, volume."""

    project: str
    page_port: int
    bus_port: int

    def compose(self, *arguments: str, timeout: float = 120.0) -> str:
        """Run `docker compose` on this stack; gives what it prints, fails where it fails."""
        given = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
        return _run(
            # A .env of whoever runs the tests must not change what is tested.
            [
                "docker",
                "compose",
                "--project-name",
                self.project,
                "--env-file",
                os.devnull,
                *arguments,
            ],
            timeout=timeout,
            env={
                **given,
                "PATH": os.environ["PATH"],
                "HOME": os.environ.get("HOME", "/"),
                "PAGE_PORT": str(self.page_port),
                "BUS_PORT": str(self.bus_port),
            },
        )

    def containers(self, service: str) -> list[str]:
        """The ids of the service's running containers."""
        return self.compose("ps", "--quiet", service).split()

    def nats(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `nats` CLI against this stack, as anybody may: no user, no password.

        This machine's program through the open port where there is one, else the one of its image.
        """
        if shutil.which("nats"):
            command = ["nats", "--server", f"nats://127.0.0.1:{self.bus_port}", *arguments]
        else:
            network = f"{self.project}_bus"
            box = ["docker", "run", "--rm", "--network", network, "natsio/nats-box:latest"]
            command = [*box, "nats", "--server", "nats://nats:4222", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    def viewer(self, room: str, **resume: str | int) -> str:
        """The address of the room's WebSocket, through the edge."""
        query = "&".join(f"{name}={value}" for name, value in {"room": room, **resume}.items())
        return f"ws://127.0.0.1:{self.page_port}/api/ws/connect?{query}"

    def countdown(self, room: str) -> str:
        """The address at which the room's countdown is started, through the edge."""
        return f"http://127.0.0.1:{self.page_port}/api/rooms/{room}/countdown"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Builds and starts the stack; takes it down with everything it made."""
    if (reason := _why_no_engine()) is not None:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    stack = Stack(f"tminus-test-{uuid.uuid4().hex[:8]}", *_free_ports())
    try:
        stack.compose("up", "--build", "--detach", "--wait", timeout=UP_SECONDS)
        yield stack
    finally:
        stack.compose("down", "--volumes", "--rmi", "local", "--remove-orphans")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def room() -> str:
    """A room that no other test uses."""
    return f"test-{uuid.uuid4().hex[:8]}"


def test_every_container_is_healthy_and_none_runs_as_root(stack: Stack) -> None:
    """Two schedulers, two coordinators, and one of each of the others."""
    running = [json.loads(line) for line in stack.compose("ps", "--format", "json").splitlines()]
    assert sorted((one["Service"], one["Health"]) for one in running) == [
        ("coordinator", "healthy"),
        ("coordinator", "healthy"),
        ("edge", "healthy"),
        ("frontend", "healthy"),
        ("nats", "healthy"),
        ("scheduler", "healthy"),
        ("scheduler", "healthy"),
    ]
    for one in running:
        assert int(_run(["docker", "exec", one["ID"], "id", "-u"])) != 0, one["Service"]


async def test_the_edge_serves_the_page_and_keeps_the_metrics_to_itself(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """The page asks for its socket at the origin that it came from."""
    origin = f"http://127.0.0.1:{stack.page_port}"
    async with http.get(f"{origin}/r/{room}") as page:
        assert page.status == 200
        assert "/api/ws/connect" in await page.text()
    async with http.get(f"{origin}/metrics") as metrics:
        assert metrics.status == 404


async def test_viewers_of_both_coordinators_count_the_same_eleven_ticks(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """Ten to zero, due a second apart, with the same place in the stream for everybody."""
    async with AsyncExitStack() as leaving:
        viewers = [
            await leaving.enter_async_context(http.ws_connect(stack.viewer(room))) for _ in range(6)
        ]
        assert len({(await _next(viewer, Hello)).instance for viewer in viewers}) == 2
        async with http.post(stack.countdown(room), json={}) as started:
            assert started.status == 201
        ticks = [await _next(viewers[0], TickFrame) for _ in range(11)]
        assert [tick.remaining for tick in ticks] == list(range(10, -1, -1))
        assert [tick.due_at - ticks[0].due_at for tick in ticks] == list(range(0, 11_000, 1000))
        for viewer in viewers[1:]:
            assert [await _next(viewer, TickFrame) for _ in range(11)] == ticks


async def test_a_message_of_the_nats_cli_reaches_every_viewer(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """With nothing set up but the program."""
    async with http.ws_connect(stack.viewer(room)) as viewer:
        await _next(viewer, Hello)
        assert stack.nats("pub", f"countdown.{room}.message", "hello").returncode == 0
        assert (await _next(viewer, MessageFrame)).text == "hello"


async def test_the_nats_cli_can_start_a_countdown_and_look_around(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """Requests, the list of services and the stream are for everybody."""
    async with http.ws_connect(stack.viewer(room)) as viewer:
        await _next(viewer, Hello)
        terms = json.dumps({"room": room, "from": 1, "interval_ms": 100})
        assert '"started"' in stack.nats("req", "scheduler.start", terms).stdout
        assert [(await _next(viewer, TickFrame)).remaining for _ in range(2)] == [1, 0]
    services = stack.nats("micro", "ls").stdout
    assert "scheduler" in services
    assert "coordinator" in services
    assert "COUNTDOWN" in stack.nats("stream", "info", "COUNTDOWN").stdout
    seen = stack.nats(
        "sub", "--stream", "COUNTDOWN", "--last", "--count=1", f"countdown.{room}.events"
    )
    assert '"remaining":0' in seen.stdout


async def test_the_nats_cli_cannot_forge_a_tick(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """Neither by writing one nor by having a service's reply written where the history stands."""
    async with http.ws_connect(stack.viewer(room)) as viewer:
        before = await _next(viewer, Hello)
    history = f"countdown.{room}.events"
    forged = stack.nats("pub", history, "{}")
    assert forged.returncode == 1
    assert "Permissions Violation" in forged.stdout + forged.stderr
    stack.nats("pub", "--reply", history, "scheduler.start", '{"from": 0}')
    stack.nats("pub", "--reply", history, "$SRV.PING", "")
    stack.nats(
        "pub", "--reply", "$JS.API.STREAM.DELETE.COUNTDOWN", "scheduler.start", '{"from": 0}'
    )
    # A round trip behind them: whatever they cause has happened.
    assert stack.nats("req", "scheduler.cancel", json.dumps({"room": room})).returncode == 0
    async with http.ws_connect(stack.viewer(room)) as viewer:
        after = await _next(viewer, Hello)
    assert (after.epoch, after.seq, after.state) == (before.epoch, before.seq, before.state)


async def test_viewers_of_a_killed_coordinator_come_back_and_miss_nothing(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """The edge takes them to the other one at once, and that one replays what they missed."""
    async with http.ws_connect(stack.viewer(room)) as viewer:
        hello = await _next(viewer, Hello)
        terms = {"from": 10, "interval_ms": 300}
        async with http.post(stack.countdown(room), json=terms) as started:
            assert started.status == 201
        ticks = [await _next(viewer, TickFrame) for _ in range(4)]
        # An instance names its host, which is the beginning of its container's id.
        [killed] = [
            one for one in stack.containers("coordinator") if one[:12] == hello.instance[:12]
        ]
        _run(["docker", "kill", killed])
        while not viewer.closed:
            message = await viewer.receive(FRAME_SECONDS)
            if message.type is aiohttp.WSMsgType.TEXT:
                frame = _frames.decode(message.data)
                ticks += [frame] if isinstance(frame, TickFrame) else []
    try:
        resume = stack.viewer(room, epoch=hello.epoch, after=ticks[-1].seq)
        async with http.ws_connect(resume) as viewer:
            again = await _next(viewer, Hello)
            assert again.complete
            assert again.instance != hello.instance
            while ticks[-1].remaining > 0:
                ticks.append(await _next(viewer, TickFrame))
        assert [tick.remaining for tick in ticks] == list(range(10, -1, -1))
    finally:
        stack.compose("up", "--detach", "--wait", "--no-recreate")


@pytest.mark.parametrize("service", ["scheduler", "coordinator", "frontend"])
def test_a_service_that_is_told_to_stop_ends_well(stack: Stack, service: str) -> None:
    """Exit status 0, long before Docker loses its patience after 10 seconds."""
    container = stack.containers(service)[0]
    _run(["docker", "stop", "--time", "10", container])
    try:
        status = _run(["docker", "inspect", "--format", "{{.State.ExitCode}}", container])
        assert int(status) == 0
    finally:
        stack.compose("up", "--detach", "--wait", "--no-recreate")


async def _next(viewer: aiohttp.ClientWebSocketResponse, kind: type[F]) -> F:
    """The viewer's next frame of a kind; others are passed over."""
    while True:
        frame = _frames.decode(await viewer.receive_str(timeout=FRAME_SECONDS))
        if isinstance(frame, kind):
            return frame


def _why_no_engine() -> str | None:
    try:
        _run(["docker", "compose", "version"])
        _run(["docker", "info"])
    except (OSError, AssertionError, subprocess.TimeoutExpired) as error:
        return f"no Docker engine answers: {str(error).strip().splitlines()[-1]}"
    return None


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _run(command: list[str], timeout: float = 60.0, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
