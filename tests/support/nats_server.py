"""A real nats-server: plain, with deploy/nats.conf as it is deployed, or three in a cluster."""

import asyncio
import os
import shutil
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from . import ROOT
from .ports import free_port
from .process import AsyncProcess, Child, Process
from .routes import Routes

CONFIG = ROOT / "deploy" / "nats.conf"
USERS = ("scheduler", "coordinator", "frontend", "auditor", "operator")
"""The users of nats.conf that have a password: in tests, their own names."""
PASSWORDS = {f"{user.upper()}_PASSWORD": f'"{user}"' for user in USERS}
"""The environment in which nats.conf finds them."""
START_SECONDS = 30.0
LOOK_SECONDS = 0.005
NOWHERE = "127.0.0.1:1"
"""An address at which nothing listens."""
ROUTE_USER = "cluster"
"""Name and password by which the servers of a cluster accept one another."""

S = TypeVar("S", bound="Server")


def command(port: int, store: Path, config: Path | None = None, *options: str) -> list[str]:
    """The command line of a server with JetStream, which `config` has to enable if it is given."""
    return [
        str(Path(sys.executable).with_name("nats-server")),
        *(("--config", str(config)) if config else ("--jetstream",)),
        *("--addr", "127.0.0.1", "--port", str(port), "--store_dir", str(store)),
        *options,
    ]


class Server(Child):
    """One nats-server; it keeps its port and its files when it is restarted."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        name: str = "nats",
        store: Path | None = None,
        config: Path | None = None,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        """Its files lie in `store`, or else below `folder`."""
        self.port = free_port()
        self.store = store or folder / "jetstream"
        super().__init__(name, command(self.port, self.store, config, *options), env, folder)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def wipe(self) -> None:
        """Delete its data; only while it is down."""
        shutil.rmtree(self.store, ignore_errors=True)

    def is_listening(self, deadline: float) -> bool:
        """Whether it accepts connections; raises RuntimeError if it never will."""
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                return True
        if time.monotonic() > deadline or not self.is_running:
            raise RuntimeError(f"{self.name} did not start:\n{self.log()}")
        return False


class NatsServer(Server, Process):
    """Waits by blocking."""

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        super().start()
        deadline = time.monotonic() + START_SECONDS
        while not self.is_listening(deadline):
            time.sleep(LOOK_SECONDS)


class AsyncNatsServer(Server, AsyncProcess):
    """Waits without blocking the event loop."""

    async def start(self) -> None:
        """Start it and wait until it accepts connections."""
        await super().start()
        deadline = time.monotonic() + START_SECONDS
        while not self.is_listening(deadline):
            await asyncio.sleep(LOOK_SECONDS)


def cluster(
    kind: type[S],
    folder: Path,
    *,
    count: int = 3,
    store: Path | None = None,
    config: Path | None = None,
    env: Mapping[str, str] = os.environ,
    network: Routes | None = None,
) -> list[S]:
    """The servers of a cluster, not yet started: `nats-1`, `nats-2` and so on.

    They reach one another over `network`, if it is given.
    """
    names = [f"nats-{number}" for number in range(1, count + 1)]
    ports = network.listening if network else {name: free_port() for name in names}

    def routes(name: str) -> list[str]:
        others = [other for other in names if other != name]
        return [_route(network.relayed[name, one] if network else ports[one]) for one in others]

    return [
        kind(
            folder,
            *("--name", name, "--cluster_name", "tminus"),
            *("--cluster", _route(ports[name]), "--routes", ",".join(routes(name))),
            # A server tells the others where it is reached, and they would go around the network.
            *(("--cluster_advertise", NOWHERE) if network else ()),
            name=name,
            store=(store or folder / "jetstream") / name,
            config=config,
            env=env,
        )
        for name in names
    ]


def _route(port: int) -> str:
    return f"nats://{ROUTE_USER}:{ROUTE_USER}@127.0.0.1:{port}"
