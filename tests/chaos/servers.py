"""The bus under attack: nats-server as it is deployed, alone or several in a cluster."""

import asyncio
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .processes import Process, free_port

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "deploy" / "nats.conf"
START_SECONDS = 30.0
ROUTE_USER = "cluster"
"""Name and password by which servers of a cluster know one another."""


@dataclass(frozen=True)
class Server:
    """One nats-server: its process, where it listens, and where it keeps its files."""

    process: Process
    port: int
    store: Path

    @property
    def name(self) -> str:
        return self.process.name

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it takes connections."""
        await self.process.start()
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                if time.monotonic() > deadline or self.process.status is not None:
                    log = self.process.log()
                    raise RuntimeError(f"{self.name} did not start:\n{log}") from None
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return

    async def wipe(self) -> None:
        """Throw its data away; only while it is down."""
        await asyncio.to_thread(shutil.rmtree, self.store, ignore_errors=True)


def servers(
    folder: Path,
    env: Mapping[str, str],
    count: int = 1,
    store: Path | None = None,
    config: Path = CONFIG,
) -> list[Server]:
    """The servers of a bus: one alone, or several as in deploy/cluster.yml.

    `store` is where they keep their files, below `folder` where it is not given.
    """
    store = store or folder / "stream"
    if count == 1:
        return [_server("nats", folder, env, store, config)]
    routes = [f"nats://{ROUTE_USER}:{ROUTE_USER}@127.0.0.1:{free_port()}" for _ in range(count)]
    names = [f"nats-{number}" for number in range(1, count + 1)]
    return [
        _server(
            name,
            folder,
            env,
            store / name,
            config,
            *("--name", name, "--cluster_name", "tminus"),
            *("--cluster", route, "--routes", ",".join(routes)),
        )
        for name, route in zip(names, routes, strict=True)
    ]


def _server(
    name: str, folder: Path, env: Mapping[str, str], store: Path, config: Path, *options: str
) -> Server:
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "nats-server"),
        *("--config", str(config)),
        *("--addr", "127.0.0.1", "--port", str(port)),
        *("--store_dir", str(store)),
        *options,
    ]
    return Server(Process(name, command, env, folder), port, store)
