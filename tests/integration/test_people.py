"""The bus as it is deployed: what nobody in particular may do, and who is let go of."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import WAIT_SECONDS, NatsServer

CONFIG = Path(__file__).parent.parent.parent / "deploy" / "nats.conf"
USERS = ("scheduler", "coordinator", "frontend", "operator")
FOUND_OUT_SECONDS = 6.0
"""How long a client that hangs may keep its subscriptions."""


@pytest.fixture
def nats_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NatsServer]:
    """A nats-server with the users and limits of deploy/nats.conf; passwords are the names."""
    for user in USERS:
        monkeypatch.setenv(f"{user.upper()}_PASSWORD", f'"{user}"')
    server = NatsServer(tmp_path / "jetstream", "--config", str(CONFIG))
    server.start()
    yield server
    server.kill()


async def test_a_client_that_hangs_is_let_go_of_in_six_seconds(nats_server: NatsServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
    writer.write(b'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n')
    began = time.monotonic()
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            last = await reader.read()  # its pings, which nobody answers, up to the end
    finally:
        writer.close()
    assert b"Stale Connection" in last
    assert time.monotonic() - began < FOUND_OUT_SECONDS + 1
