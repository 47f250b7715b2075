"""TLS to NATS: an authority of one's own, client certificates, and renewed certificates."""

import json
import shutil
from pathlib import Path

import pytest

from runtime.settings import SettingsError, load
from scheduler.settings import Settings
from support.authority import Authority
from support.nats_server import AsyncNatsServer
from support.ports import free_port
from support.probe import asked
from support.process import AsyncProcess
from support.served import Serving
from support.waiting import until


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def options(authority: Authority, *, asks_for_certificates: bool = False) -> list[str]:
    """What has a nats-server on `localhost` speak TLS."""
    certificate, key = authority.certify("localhost")
    given = ["--tls", "--tlscert", str(certificate), "--tlskey", str(key)]
    return given + (["--tlsverify", "--tlscacert", str(authority.ca)] * asks_for_certificates)


def url(server: AsyncNatsServer, host: str = "localhost") -> str:
    return f"tls://{host}:{server.port}"


async def reason_why_not_ready(port: int) -> str:
    """The reason in `/readyz`; empty if the service is ready."""
    status, answer = await asked(port)
    return str(json.loads(answer).get("reason", "")) if status else "nobody listens"


async def is_ready(port: int) -> bool:
    return not await reason_why_not_ready(port)


def warnings(process: AsyncProcess) -> list[str]:
    return [line for line in process.log().splitlines() if "[warning]" in line]


async def test_a_service_shows_its_certificate_and_takes_new_ones_when_it_reconnects(
    serving: Serving, authority: Authority, tmp_path: Path
) -> None:
    """As when an authority is replaced: everybody gets files of the new one, then NATS restarts."""
    server = AsyncNatsServer(tmp_path, *options(authority, asks_for_certificates=True))
    files = [tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")]

    def deliver(source: Authority) -> None:
        for given, file in zip((source.ca, *source.certify("scheduler")), files, strict=True):
            shutil.copy(given, file)

    deliver(authority)
    settings = {f"nats_tls_{file.stem}": str(file) for file in files}
    port = free_port()
    await server.start()
    try:
        async with serving("scheduler", port=port, nats_url=url(server), **settings) as process:
            await until(lambda: is_ready(port))
            another = Authority(tmp_path / "another")
            deliver(another)
            await server.stop()
            server.command = [
                *server.command[: server.command.index("--tls")],
                *options(another, asks_for_certificates=True),
            ]
            await server.start()
            await until(lambda: is_ready(port))
        assert "Traceback" not in process.log()
        assert len(warnings(process)) == 1  # the connection was lost
    finally:
        await server.discard()


@pytest.mark.parametrize(
    ("trusts", "host", "words"),
    [
        ("another", "localhost", "NATS's certificate is refused: unable to get local issuer"),
        ("authority", "127.0.0.1", "NATS's certificate is refused: IP address mismatch"),
    ],
)
async def test_a_server_that_is_not_the_right_one_is_said_in_a_line_until_it_is(
    serving: Serving, authority: Authority, tmp_path: Path, trusts: str, host: str, words: str
) -> None:
    server = AsyncNatsServer(tmp_path, *options(authority))
    trusted = {"authority": authority, "another": Authority(tmp_path / "another")}[trusts]
    ca, port = tmp_path / "ca.pem", free_port()
    shutil.copy(trusted.ca, ca)
    where = {"nats_url": url(server, host), "nats_tls_ca": str(ca), "port": port}

    async def is_said() -> bool:
        return words in await reason_why_not_ready(port)

    await server.start()
    try:
        async with serving("scheduler", **where) as process:
            await until(is_said)
            [line] = warnings(process)
            assert words in line
            if trusts == "another":
                shutil.copy(authority.ca, ca)
                await until(lambda: is_ready(port), seconds=2)
        assert "Traceback" not in process.log()
    finally:
        await server.discard()


async def test_a_certificate_that_is_missing_or_gone_is_said_in_a_line(
    serving: Serving, authority: Authority, tmp_path: Path
) -> None:
    server = AsyncNatsServer(tmp_path, *options(authority, asks_for_certificates=True))
    ca, port = tmp_path / "ca.pem", free_port()
    shutil.copy(authority.ca, ca)
    where = {"nats_url": url(server), "nats_tls_ca": str(ca), "port": port}

    async def is_refused() -> bool:
        return "the server asks for a certificate" in await reason_why_not_ready(port)

    async def is_gone() -> bool:
        return "No such file" in await reason_why_not_ready(port)

    await server.start()
    try:
        async with serving("scheduler", **where) as process:
            await until(is_refused)
            ca.unlink()
            await until(is_gone)
        assert "Traceback" not in process.log()
        assert len(warnings(process)) == 2

        ca.write_text("no certificate")
        async with serving("scheduler", **where) as process:
            assert await process.ended() == 1
        assert (
            process.log()
            .splitlines()[-1]
            .startswith("scheduler: the files of NATS_TLS_… can't be used: ")
        )
    finally:
        await server.discard()


async def test_no_password_goes_to_a_server_without_tls(serving: Serving, tmp_path: Path) -> None:
    """Somebody in between could say that the server speaks none."""
    server, port = AsyncNatsServer(tmp_path, "-DV"), free_port()

    async def is_said() -> bool:
        return "the server does not speak TLS" in await reason_why_not_ready(port)

    await server.start()
    try:
        async with serving("scheduler", nats_url=url(server), port=port) as process:
            await until(is_said)
        assert "Traceback" not in process.log()
        assert "CONNECT" not in server.log()
    finally:
        await server.discard()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"NATS_TLS_CERT": "c"}, "NATS_TLS_KEY is not set: NATS_TLS_CERT and NATS_TLS_KEY go"),
        ({"NATS_TLS_CA": "gone"}, "NATS_TLS_CA='gone' is not valid: no such file"),
        ({"NATS_TLS_CA": __file__}, "NATS_TLS_CA is set, but NATS_URL='nats://127.0.0.1:4222' is"),
    ],
)
def test_settings_that_do_not_go_together_are_named(given: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=f"^{words}"):
        load(Settings, given)
