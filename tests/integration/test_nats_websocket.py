"""The services on NATS over a WebSocket, where only HTTP gets through."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from support.bus_client import ask
from support.nats_server import NatsServer
from support.ports import free_port
from support.served import Serve
from support.viewer import is_last_tick, viewing

# nats-py's own call of aiohttp.
pytestmark = pytest.mark.filterwarnings("ignore:parameter 'timeout':DeprecationWarning")


class WebSocketServer(NatsServer):
    """A nats-server that also listens for WebSockets."""

    websocket_port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.websocket_port}"


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    config, port = tmp_path / "nats.conf", free_port()
    config.write_text(
        f'jetstream: enabled\nwebsocket {{ listen: "127.0.0.1:{port}", no_tls: true }}\n'
    )
    server = WebSocketServer(tmp_path, config=config)
    server.websocket_port = port
    server.start()
    yield server
    server.kill()


async def test_a_countdown_and_its_messages_come_in_time(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    async with viewing(await serve_coordinator()) as viewer:
        began = time.monotonic()
        await viewer.frame()
        assert time.monotonic() - began < 0.3
        code, _ = await ask(bus, "scheduler.start", interval_ms=100)
        assert code == 200
        await viewer.until(is_last_tick)
        assert viewer.ticks == list(range(10, -1, -1))
        late = [f["emitted"] - f["due"] for f in viewer.frames if f["type"] == "tick"]
        assert max(late) < 300
        await asyncio.sleep(0.6)  # events go with messages for as long after one
        for number in range(3):
            began = time.monotonic()
            await bus.publish("countdown.main.message", b"%d" % number)
            await bus.flush()
            await viewer.until(lambda frame: frame["type"] == "message")
            assert time.monotonic() - began < 0.3
            await asyncio.sleep(0.2)
