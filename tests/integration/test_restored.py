"""The stream is put back to what a backup holds: of its files, under the same creation time, or one
that the server made and takes back, under another one."""

import asyncio
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError

from support.bus_client import ask, history
from support.nats_server import NatsServer
from support.served import Serve
from support.viewer import Frame, Viewer, is_last_tick, viewing
from support.waiting import WAIT_SECONDS, until

NOTICED_SECONDS = 2.0


class Backup:
    """A copy of the server's files."""

    def __init__(self, server: NatsServer, bus: Client, folder: Path) -> None:
        self._server = server
        self._bus = bus
        self._folder = folder
        self._files = folder / "backup"

    async def make(self) -> None:
        """Copy the files, while the server is down for a moment."""
        self._server.kill()
        shutil.copytree(self._server.store, self._files)
        await _start_again(self._server, self._bus)

    async def restore(self) -> None:
        """Put the copy in the place of the server's files."""
        self._server.kill()
        self._server.wipe()
        shutil.copytree(self._files, self._server.store)
        await _start_again(self._server, self._bus)

    async def append(self) -> None:
        """Store events in another room, by a server of its own on the copy."""
        server = NatsServer(self._folder, name="elsewhere", store=self._files)
        server.start()
        try:
            client = await nats.connect(server.url)
            for _ in range(50):
                await client.jetstream().publish("countdown.other.events", b"not of this service")
            await client.close()
        finally:
            server.kill()


class Snapshot:
    """A backup by the server's API, as `nats backup` makes it."""

    def __init__(self, bus: Client) -> None:
        self._bus = bus
        self._stream: dict[str, object] = {}
        self._chunks: list[bytes] = []

    async def make(self) -> None:
        """Have the server send the stream."""
        inbox = self._bus.new_inbox()
        chunks = await self._bus.subscribe(inbox)
        reply = await self._api("SNAPSHOT.COUNTDOWN", {"deliver_subject": inbox})
        self._stream = {"config": reply["config"], "state": reply["state"]}
        while (chunk := await chunks.next_msg(WAIT_SECONDS)).data:
            self._chunks.append(chunk.data)
            if chunk.reply:  # the server waits for it before it sends more
                await chunk.respond(b"")

    async def restore(self) -> None:
        """Delete the stream, and send it back to the server."""
        await self._bus.jetstream().delete_stream("COUNTDOWN")
        restoring = await self._api("RESTORE.COUNTDOWN", self._stream)
        for chunk in (*self._chunks, b""):
            last = await self._bus.request(restoring["deliver_subject"], chunk, WAIT_SECONDS)
        assert json.loads(last.data)["state"] == self._stream["state"]

    async def _api(self, request: str, body: dict[str, object]) -> dict[str, Any]:
        subject = f"$JS.API.STREAM.{request}"
        reply = await self._bus.request(subject, json.dumps(body).encode(), WAIT_SECONDS)
        answer: dict[str, Any] = json.loads(reply.data)
        assert "error" not in answer, answer
        return answer


@pytest.fixture
def files(nats_server: NatsServer, bus: Client, tmp_path: Path) -> Backup:
    return Backup(nats_server, bus, tmp_path)


@pytest.fixture(params=["files", "API"])
def backup(request: pytest.FixtureRequest, files: Backup, bus: Client) -> Backup | Snapshot:
    return files if request.param == "files" else Snapshot(bus)


async def _start_again(server: NatsServer, bus: Client) -> None:
    reconnects = bus.stats["reconnects"]
    server.start()

    async def is_back() -> bool:
        return bus.stats["reconnects"] > reconnects

    await until(is_back)


async def test_a_run_that_the_backup_does_not_hold_is_over_and_its_viewers_are_told(
    serve_scheduler: Serve,
    serve_coordinator: Serve,
    bus: Client,
    backup: Backup | Snapshot,
) -> None:
    await serve_scheduler()
    async with viewing(await serve_coordinator()) as viewer:
        await _count(bus, viewer)
        await backup.make()
        await _started(bus, viewer, interval_ms=60_000)
        await backup.restore()
        async with asyncio.timeout(NOTICED_SECONDS):
            hello = await viewer.until(_is_incomplete)
            assert hello["state"]["status"] == "finished"
            assert (await ask(bus, "coordinator.room"))[1]["state"] == hello["state"]
            await _count(bus, viewer)
        assert viewer.ticks == [2, 1, 0, 10, 2, 1, 0]


async def test_a_run_that_was_under_way_at_the_backup_gets_its_ticks_at_once(
    serve_scheduler: Serve,
    serve_coordinator: Serve,
    bus: Client,
    backup: Backup | Snapshot,
) -> None:
    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    async with viewing(await serve_coordinator()) as viewer:
        await _started(bus, viewer, interval_ms=300)
        await viewer.until(lambda f: f["type"] == "tick" and f["remaining"] == 8)
        await backup.make()
        await viewer.until(is_last_tick)
        await backup.restore()
        async with asyncio.timeout(NOTICED_SECONDS):
            await viewer.until(_is_incomplete)
            await viewer.until(lambda f: f["type"] == "hello" or is_last_tick(f))

            async def is_over() -> bool:
                return (await _stored(bus))[-1] == 0

            await until(is_over)
        assert await _stored(bus) == list(range(10, -1, -1))
        assert (await ask(bus, "scheduler.cancel"))[0] == 404


async def test_a_scheduler_notices_a_backup_that_has_gone_on_without_it(
    serve_scheduler: Serve,
    bus: Client,
    files: Backup,
) -> None:
    """The stream's creation time is the same, and it is as long as the one that is known."""
    await serve_scheduler()
    await _ended(bus)
    await files.make()
    await _accepted(bus, interval_ms=60_000)
    await files.append()
    await files.restore()
    async with asyncio.timeout(NOTICED_SECONDS):
        await _accepted(bus, interval_ms=60_000)


async def test_a_coordinator_notices_a_backup_that_has_gone_on_without_it(
    serve_scheduler: Serve,
    serve_coordinator: Serve,
    bus: Client,
    files: Backup,
) -> None:
    """As above, for the viewers of a room whose run the backup does not hold."""
    await serve_scheduler()
    async with viewing(await serve_coordinator()) as viewer:
        # So long that it has looked for removed entries, and found none.
        await _started(bus, viewer, interval_ms=600, **{"from": 2})
        await viewer.until(is_last_tick)
        await files.make()
        await _started(bus, viewer, interval_ms=60_000)
        await files.append()
        await files.restore()
        async with asyncio.timeout(NOTICED_SECONDS):
            hello = await viewer.until(_is_incomplete)
        assert hello["state"]["status"] == "finished"


async def _count(bus: Client, viewer: Viewer) -> None:
    """A short run from its start to zero."""
    await _started(bus, viewer, interval_ms=100, **{"from": 2})
    await viewer.until(is_last_tick)


async def _started(bus: Client, viewer: Viewer, **terms: int) -> None:
    await _accepted(bus, **terms)
    await viewer.until(lambda f: f["type"] == "tick")


async def _accepted(bus: Client, **terms: int) -> None:
    """Start a run, as soon as a scheduler is there and accepts it."""

    async def is_accepted() -> bool:
        with suppress(NoRespondersError):
            return (await ask(bus, "scheduler.start", **terms))[0] == 200
        return False

    await until(is_accepted)


async def _ended(bus: Client) -> None:
    await _accepted(bus, interval_ms=100, **{"from": 1})

    async def is_over() -> bool:
        return (await _stored(bus))[-1:] == [0]

    await until(is_over)


async def _stored(bus: Client) -> list[int]:
    return [event["remaining"] for event in await history(bus) if event["type"] == "tick"]


def _is_incomplete(frame: Frame) -> bool:
    return bool(frame["type"] == "hello" and not frame["complete"])
