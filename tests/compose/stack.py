"""A Compose stack with its own project, ports and volume, and the commands run on it."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec

from protocol.frames import Bye, Frame, Hello, MessageFrame, TickFrame, Viewers
from support import ROOT
from support.ports import free_ports
from support.skip import skip

UP_SECONDS = 600.0
FRAME_SECONDS = 20.0

F = TypeVar("F", Bye, Hello, TickFrame, MessageFrame, Viewers)

_frames = msgspec.json.Decoder(Frame)


@dataclass(frozen=True)
class Stack:
    """A running stack, of `files` on top of each other."""

    files: tuple[str, ...]
    settings: dict[str, str]
    page_port: int
    bus_port: int
    project: str = field(default_factory=lambda: f"tminus-test-{uuid.uuid4().hex[:8]}")

    def compose(self, *arguments: str, timeout: float = 120.0) -> str:
        """Run `docker compose` on this stack; gives its output; fails if it fails."""
        files = [option for file in self.files for option in ("--file", file)]
        # Neither the developer's environment nor a .env file may change the stack under test.
        names = ["--project-name", self.project, "--env-file", os.devnull]
        kept = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
        return run(
            ["docker", "compose", *names, *files, *arguments],
            timeout=timeout,
            env={
                **kept,
                "PATH": os.environ["PATH"],
                "HOME": os.environ.get("HOME", "/"),
                "PAGE_PORT": str(self.page_port),
                "BUS_PORT": str(self.bus_port),
                **self.settings,
            },
        )

    def containers(self, service: str) -> list[str]:
        """The ids of the service's running containers."""
        return self.compose("ps", "--quiet", service).split()

    def heal(self) -> None:
        """Start again every container that a test has stopped or killed."""
        self.compose("up", "--detach", "--wait", "--no-recreate", timeout=UP_SECONDS)

    def nats(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the `nats` CLI against this stack, without a user or a password.

        This machine's program through the open port if it has one, else the one in its image.
        """
        if shutil.which("nats"):
            command = ["nats", "--server", f"nats://127.0.0.1:{self.bus_port}", *arguments]
        else:
            network = f"{self.project}_bus"
            box = ["docker", "run", "--rm", "--network", network, "natsio/nats-box:latest"]
            command = [*box, "nats", "--server", "nats://nats:4222", *arguments]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )

    def shown(self) -> str:
        """What Docker shows of all the containers to whoever may ask it."""
        return run(["docker", "inspect", *self.compose("ps", "--all", "--quiet").split()])

    @property
    def origin(self) -> str:
        """The edge's address."""
        return f"http://127.0.0.1:{self.page_port}"

    def viewer(self, room: str, **resume: str | int) -> str:
        """The address of the room's WebSocket, through the edge."""
        query = "&".join(f"{name}={value}" for name, value in {"room": room, **resume}.items())
        return f"{self.origin}/api/ws/connect?{query}"

    def countdown(self, room: str) -> str:
        """The address at which the room's countdown is started, through the edge."""
        return f"{self.origin}/api/rooms/{room}/countdown"


@contextmanager
def running(*files: str, **settings: str) -> Iterator[Stack]:
    """Build and start a stack; take it down with its volumes and images."""
    require_engine()
    page_port, bus_port = free_ports(2)
    stack = Stack(("docker-compose.yml", *files), settings, page_port, bus_port)
    try:
        stack.compose("up", "--build", "--detach", "--wait", timeout=UP_SECONDS)
        yield stack
    finally:
        stack.compose("--profile", "*", "down", "--volumes", "--rmi", "local", "--remove-orphans")


def in_files(folder: Path, secrets: dict[str, str]) -> dict[str, str]:
    """The settings that name files with these secrets."""
    for name, secret in secrets.items():
        (folder / name).write_text(secret + "\n")
        (folder / name).chmod(0o644)  # for the containers' user, whatever the umask
    return {f"{name}_FILE": str(folder / name) for name in secrets}


def require_compose() -> None:
    """Skip the test if there is no Docker Compose; it needs no engine to read its files."""
    try:
        run(["docker", "compose", "version"])
    except (OSError, AssertionError, subprocess.TimeoutExpired):
        skip("no Docker Compose here")


def require_engine() -> None:
    """Skip the test if there is no Docker engine."""
    if (reason := _why_no_engine()) is not None:
        skip(reason)


def run(command: list[str], timeout: float = 60.0, env: dict[str, str] | None = None) -> str:
    """Run a program of Docker; gives its output; fails if it fails."""
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


async def next_frame(viewer: aiohttp.ClientWebSocketResponse, kind: type[F]) -> F:
    """The viewer's next frame of a kind; others are skipped."""
    while True:
        frame = _frames.decode(await viewer.receive_str(timeout=FRAME_SECONDS))
        if isinstance(frame, kind):
            return frame


def _why_no_engine() -> str | None:
    try:
        run(["docker", "compose", "version"])
        run(["docker", "info"])
    except (OSError, AssertionError, subprocess.TimeoutExpired) as error:
        return f"no Docker engine answers: {str(error).strip().splitlines()[-1]}"
    return None
