"""Secrets in files that change under a running service: it goes on with the new ones."""

import time
from pathlib import Path

import aiohttp

from frontend import rights
from frontend.rights import Link
from support.nats_server import CONFIG, PASSWORDS, AsyncNatsServer
from support.ports import free_port
from support.probe import asked, until_alive
from support.process import AsyncProcess
from support.served import Serving
from support.waiting import until

OLD, NEW = f"old:{'o' * 32}", f"new:{'n' * 32}"
MAY = 503
"""Nobody starts a countdown here, since there is no bus."""


def looking_often(service: str) -> str:
    """A service that looks for new secrets more often."""
    return (
        "import runtime.watched_files; runtime.watched_files.CHECK_SECONDS = 0.02; "
        f"import {service}.__main__; {service}.__main__.main()"
    )


async def has_renewed(process: AsyncProcess) -> bool:
    return "renewed the secrets" in process.log()


async def is_ready(port: int) -> bool:
    return (await asked(port))[0] == 200


async def start_status(port: int, bearer: str) -> int:
    """What a request to start a countdown gets."""
    url = f"http://127.0.0.1:{port}/api/rooms/main/countdown"
    headers = {"Authorization": f"Bearer {bearer}"}
    async with aiohttp.ClientSession() as session, session.post(url, headers=headers) as answer:
        return answer.status


async def test_keys_and_token_are_changed_without_a_restart(
    serving: Serving, tmp_path: Path
) -> None:
    keys, token, port = tmp_path / "keys", tmp_path / "token", free_port()
    keys.write_text(OLD + "\n")
    token.write_text("sesame\n")
    end = int(time.time() + 600)
    before, after = (rights.parse(key).sign(Link("main", "control", end)) for key in (OLD, NEW))
    files = {"control_token_file": str(token), "link_keys_file": str(keys)}

    async def may(bearer: str) -> bool:
        return await start_status(port, bearer) == MAY

    async def may_not(bearer: str) -> bool:
        return await start_status(port, bearer) == 401

    async with serving("frontend", looking_often("frontend"), port=port, **files) as process:
        await until_alive(port)
        assert await may(before)
        assert await may_not(after)

        keys.write_text(f"{NEW},{OLD}\n")
        await until(lambda: may(after))
        assert await may(before)

        keys.write_text("half a ke")  # as while it is written

        async def is_noticed() -> bool:
            return "keeping the old secrets" in process.log()

        await until(is_noticed)
        assert await may(after)
        keys.write_text(f"{NEW}\n")
        await until(lambda: may_not(before))
        assert await may(after)

        renewed = tmp_path / "renewed"
        renewed.write_text("another\n")
        renewed.replace(token)
        await until(lambda: may_not("sesame"))
        assert await may("another")
    assert not any(secret in process.log() for secret in (OLD[4:], NEW[4:], "sesame", "another"))


async def test_a_service_reconnects_with_the_password_that_is_in_its_file_then(
    serving: Serving, tmp_path: Path
) -> None:
    file, port = tmp_path / "password", free_port()
    file.write_text("first\n")
    server = AsyncNatsServer(tmp_path, config=CONFIG, env=passwords("first"))
    async with serving(
        *("scheduler", looking_often("scheduler")),
        port=port,
        nats_url=server.url,
        nats_password_file=str(file),
    ) as process:
        try:
            await server.start()
            await until(lambda: is_ready(port))
            file.write_text("second\n")
            await until(lambda: has_renewed(process))
            assert await is_ready(port)
            await server.stop()
            server.env = passwords("second")
            await server.start()
            await until(lambda: is_ready(port))
        finally:
            await server.discard()
    assert "uthorization" not in process.log()


async def test_a_service_goes_to_the_servers_that_are_in_its_file_then(
    serving: Serving, tmp_path: Path
) -> None:
    file, port = tmp_path / "url", free_port()
    first, second = (AsyncNatsServer(tmp_path / name, name=name) for name in ("first", "second"))
    file.write_text(first.url + "\n")
    settings = {"port": port, "nats_url": "", "nats_url_file": str(file)}
    async with serving("scheduler", looking_often("scheduler"), **settings) as process:
        try:
            await first.start()
            await until(lambda: is_ready(port))
            file.write_text(second.url + "\n")
            await until(lambda: has_renewed(process))
            await second.start()
            await first.stop()
            await until(lambda: is_ready(port))
        finally:
            await first.discard()
            await second.discard()


def passwords(of_the_scheduler: str) -> dict[str, str]:
    return PASSWORDS | {"SCHEDULER_PASSWORD": f'"{of_the_scheduler}"'}
