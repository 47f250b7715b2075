"""The servers under test: what each is called, how it starts, what its viewers say to it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.bus import Bus
from bench.machine import CACHE, PROGRAMS, ROOT, SERVER_CORE
from bench.programs import Program, python, running
from support.ports import free_port

PEERS = CACHE / "peers"
FOLLOWED = "bench.main"
STAMP = ("--stamp-us", '"text":"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One that delivers messages from NATS to viewers."""

    name: str
    label: str
    command: Callable[[int, Bus], list[str | Path]]
    environment: dict[str, str] = field(default_factory=dict)
    load_options: tuple[str, ...] = STAMP
    subject: str = FOLLOWED
    makes_frames: bool = True
    is_the_bus: bool = False

    @property
    def is_ours(self) -> bool:
        return self.name == "tminus"


def _bun(port: int, bus: Bus) -> list[str | Path]:
    return [
        PEERS / "bun/node_modules/@oven/bun-linux-x64-baseline/bin/bun",
        PEERS / "bun/server.js",
    ]


def _workerd(port: int, bus: Bus) -> list[str | Path]:
    program = PEERS / "workerd/node_modules/.bin/workerd"
    return [
        program,
        "serve",
        PEERS / "workerd/config.capnp",
        "--experimental",
        f"--socket-addr=http=127.0.0.1:{port}",
    ]


def _python_peer(name: str, label: str, load_options: tuple[str, ...] = STAMP) -> Server:
    program = CACHE / "venv" / "bin" / "python"
    return Server(
        name=name,
        label=label,
        command=lambda port, bus: [program, "-m", f"bench.peers.{name}.server"],
        load_options=load_options,
    )


TMINUS = Server(
    name="tminus",
    label="tminus coordinator",
    command=lambda port, bus: [*python("coordinator")],
    load_options=(*STAMP, "--hello"),
    subject="countdown.{room}.message",
    makes_frames=False,
)

LIMIT = Server(
    name="limit",
    label="C loop of `send()`, the baseline",
    command=lambda port, bus: [PROGRAMS / "limit", str(port), bus.url.rpartition(":")[2], FOLLOWED],
)

SERVERS = (
    LIMIT,
    TMINUS,
    Server(name="bun", label="Bun (uWebSockets) `publish`", command=_bun),
    Server(
        name="node", label="Node `ws`", command=lambda port, bus: ["node", PEERS / "node/server.js"]
    ),
    _python_peer("websockets", "websockets `broadcast` (Python)"),
    _python_peer("picows", "picows (Python)"),
    _python_peer("aiohttp", "aiohttp `WebSocketResponse` (Python)"),
    _python_peer("starlette", "Starlette on uvicorn (Python)"),
    _python_peer(
        "socketio",
        "python-socketio on uvicorn",
        (
            *STAMP,
            "--engine-io",
            "--path",
            "/socket.io/?EIO=4&transport=websocket",
            "--greeting",
            "40",
        ),
    ),
    Server(
        name="nats",
        label="nats-server's WebSocket",
        command=lambda port, bus: [],
        load_options=(
            *STAMP,
            "--nats",
            "--path",
            "/",
            "--greeting",
            f'CONNECT {{"verbose":false}}\r\nSUB {FOLLOWED} 1\r\n',
        ),
        is_the_bus=True,
    ),
    Server(
        name="centrifuge",
        label="Centrifuge (Go, inside Centrifugo)",
        command=lambda port, bus: [PROGRAMS / "centrifuge"],
        load_options=(*STAMP, "--centrifuge", "--path", "/", "--greeting", '{"id":1,"connect":{}}'),
    ),
    Server(name="workerd", label="workerd (Durable Object)", command=_workerd),
    Server(
        name="phoenix",
        label="Phoenix channel on Bandit",
        command=lambda port, bus: [PEERS / "phoenix/_build/prod/rel/peer/bin/peer", "start"],
        environment={"RELEASE_DISTRIBUTION": "none"},
        load_options=(
            *STAMP,
            "--path",
            "/socket/websocket?vsn=2.0.0",
            "--greeting",
            '["1","1","room:main","phx_join",{}]',
        ),
    ),
)


@asynccontextmanager
async def serving(
    server: Server, bus: Bus, core: int | str = SERVER_CORE, **environment: str
) -> AsyncIterator[tuple[Program, int]]:
    """Run the server on its core, or on several, `0,1`; gives the program and the port that its
    viewers connect to."""
    if server.is_the_bus:
        yield bus.program, bus.websocket_port
        return
    port = free_port()
    settings = {
        "PORT": str(port),
        "NATS_URL": bus.url,
        "NATS_ADDRESS": bus.url.removeprefix("nats://"),
        "SUBJECT": server.subject,
        "MAX_VIEWERS": "100000",
        "MAX_VIEWERS_PER_ADDRESS": "100000",
        "MAX_FOLLOWED_ROOMS": "1000000",
        "MAX_FOLLOWED_ROOMS_PER_ADDRESS": "1000000",
        "MAX_CONNECTIONS": "100000",
        "MAX_CONNECTIONS_PER_ADDRESS": "100000",
        "PYTHONPATH": str(ROOT),
        **server.environment,
        **environment,
    }
    async with running(
        server.name, server.command(port, bus), core=core, port=port, environment=settings
    ) as program:
        yield program, port
