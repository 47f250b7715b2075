"""A service that speaks TLS itself: handshakes that are not done, and its certificate."""

import asyncio
import re
import signal
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from support.nats_server import NatsServer
from support.ports import free_port, free_ports
from support.served import Serving
from support.waiting import WAIT_SECONDS, until

RENEWING = (
    "import runtime.watched_files; runtime.watched_files.CHECK_SECONDS = 0.02; "
    "import coordinator.__main__; coordinator.__main__.main()"
)
"""A coordinator that looks for a new certificate more often."""
HURRIED = (
    "import runtime.tls_listener; runtime.tls_listener.HANDSHAKE_SECONDS = 3.0; "
    "import coordinator.__main__; coordinator.__main__.main()"
)
"""A coordinator with less time for handshakes."""
ELSEWHERE = ("127.0.0.2", 0)
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def new_certificate(folder: Path) -> None:
    """Write a self-signed certificate and its key, `cert.pem` and `key.pem`, as new files."""
    for name in ("cert.pem", "key.pem"):
        (folder / name).unlink(missing_ok=True)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The settings that name a certificate and its key."""
    new_certificate(tmp_path)
    return {"tls_cert": str(tmp_path / "cert.pem"), "tls_key": str(tmp_path / "key.pem")}


async def is_alive(port: int, where: tuple[str, int] | None = None) -> bool:
    """Whether the service at the port answers; asked by a plain stream, as in `support.probe`."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, local_addr=where
        )
    except OSError:
        return False
    try:
        writer.write(REQUEST)
        return (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    except OSError:
        return False
    finally:
        writer.close()


async def refused(port: int) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        name = r'tminus_connections_refused_total\{reason="tls_address"\} (\d+)'
        found = re.search(name, await answer.text())
    return int(found[1]) if found else 0


async def test_handshakes_that_are_not_done_are_bounded_and_end(
    serving: Serving, files: dict[str, str]
) -> None:
    port, metrics_port = free_port(), free_port()
    limits = {"metrics_port": metrics_port, "max_connections_per_address": 3}
    async with serving("coordinator", HURRIED, port=port, **limits, **files) as process:
        await until(lambda: is_alive(port, ELSEWHERE))
        streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        endings = [asyncio.create_task(reader.read()) for reader, _ in streams]

        async def are_closed() -> bool:
            return sum(ending.done() for ending in endings) == 2

        await until(are_closed, seconds=2)  # before the others have had their time
        assert await refused(metrics_port) == 2
        assert await is_alive(port, ELSEWHERE)
        async with asyncio.timeout(WAIT_SECONDS):
            assert await asyncio.gather(*endings) == [b""] * 5
        for _, writer in streams:
            writer.close()
        await until(lambda: is_alive(port))
    assert "Traceback" not in process.log()


async def test_what_comes_with_the_end_of_a_handshake_is_answered(
    serving: Serving, files: dict[str, str]
) -> None:
    """A request in the same segment, before anybody was there to read it."""
    port = free_port()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    arriving, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(arriving, leaving)
    async with serving("coordinator", port=port, **files):
        await until(lambda: is_alive(port))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(leaving.read())
                    arriving.write(await reader.read(65_536))
            client.write(REQUEST)
            writer.write(leaving.read())  # the end of the handshake, and the request
            answer = b""
            while b"alive" not in answer:
                arriving.write(await reader.read(65_536))
                try:
                    answer += client.read(65_536)
                except ssl.SSLWantReadError:
                    continue
        writer.close()


async def test_viewers_are_served_over_tls(
    nats_server: NatsServer, serving: Serving, files: dict[str, str]
) -> None:
    port = free_port()
    async with (
        serving("coordinator", nats_url=nats_server.url, port=port, **files),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
    ):
        await until(lambda: is_alive(port))

        async def is_ready() -> bool:
            async with session.get(f"https://127.0.0.1:{port}/readyz") as answer:
                return answer.status == 200

        await until(is_ready)
        async with session.ws_connect(f"wss://127.0.0.1:{port}/ws/connect") as viewer:
            assert (await viewer.receive_json(timeout=WAIT_SECONDS))["type"] == "hello"
            await viewer.send_json({"type": "ping", "id": 1})
            assert (await viewer.receive_json(timeout=WAIT_SECONDS))["type"] == "pong"


async def test_a_renewed_certificate_is_used_without_a_restart(
    serving: Serving, tmp_path: Path
) -> None:
    port, certificate, key = free_port(), tmp_path / "cert.pem", tmp_path / "key.pem"

    async def shows(expected: str) -> bool:
        try:
            address = ("127.0.0.1", port)
            shown = await asyncio.to_thread(ssl.get_server_certificate, address, timeout=5)
        except OSError:
            return False
        return shown.split() == expected.split()

    new_certificate(tmp_path)
    first = certificate.read_text()
    async with serving("coordinator", RENEWING, port=port, tls_cert=certificate, tls_key=key) as (
        process
    ):
        await until(lambda: shows(first))

        certificate.write_text("half a certifica")  # as while it is copied

        async def is_noticed() -> bool:
            return "keeping the old certificate" in process.log()

        await until(is_noticed)
        assert await shows(first)
        certificate.unlink()
        assert await shows(first)

        new_certificate(tmp_path)
        second = certificate.read_text()
        assert second != first
        await until(lambda: shows(second))

        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        new_certificate(elsewhere)
        third = (elsewhere / "cert.pem").read_text()
        certificate.write_text(third)  # with the second's key

        async def is_kept() -> bool:
            return "mismatch" in process.log().lower()

        await until(is_kept)
        assert await shows(second)
        assert not await shows(third)
        assert await process.stop() == 0
    assert "Traceback" not in process.log()


async def test_a_handshake_that_has_begun_before_the_end_is_served(
    serving: Serving, files: dict[str, str]
) -> None:
    port, metrics_port = free_ports(2)
    async with serving("coordinator", port=port, metrics_port=metrics_port, **files) as process:
        await until(lambda: is_alive(port))
        connection = socket.create_connection(("127.0.0.1", port))

        async def is_accepted() -> bool:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{metrics_port}/metrics") as answer,
            ):
                return "\ntminus_connections 1.0\n" in await answer.text()

        await until(is_accepted)
        process.end_by(signal.SIGTERM)

        async def accepts_no_more() -> bool:
            return not await is_alive(port)

        await until(accepts_no_more)
        context = ssl.create_default_context(cafile=files["tls_cert"])
        context.check_hostname = False
        reader, writer = await asyncio.open_connection(
            sock=connection, ssl=context, server_hostname="localhost"
        )
        writer.write(REQUEST)
        answer = await asyncio.wait_for(reader.read(), WAIT_SECONDS)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        assert await process.ended() == 0
