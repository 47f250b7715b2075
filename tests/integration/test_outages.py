"""The bus goes away, comes back, or comes back empty; a viewer stops reading."""

import asyncio
import json
import time
from functools import partial
from pathlib import Path

import aiohttp
import nats
import pytest
from aiohttp.test_utils import TestServer
from nats.aio.client import Client
from structlog.testing import capture_logs

from bus.connection import Bus
from bus.entries import is_event
from bus.follower import Follower
from bus.stream import Entry, open_stream, wanted
from runtime.background import background
from scheduler.settings import Settings
from support.bus_client import ask, history
from support.nats_server import NatsServer
from support.served import Serve, until_ready
from support.viewer import is_last_tick, viewing
from support.waiting import until


async def readyz(server: TestServer) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/readyz")) as response,
    ):
        return response.status, (await response.json()).get("reason", "")


async def test_services_wait_for_a_bus_that_is_not_there_yet(
    nats_server: NatsServer, serve_scheduler: Serve, serve_coordinator: Serve
) -> None:
    nats_server.kill()
    scheduler = await serve_scheduler(is_ready=False)
    coordinator = await serve_coordinator(is_ready=False)
    for server in (scheduler, coordinator):
        status, reason = await readyz(server)
        assert status == 503
        assert "no connection to NATS" in reason
    nats_server.start()
    await until_ready(scheduler)
    await until_ready(coordinator)
    client = await nats.connect(nats_server.url)
    assert (await ask(client, "scheduler.start"))[0] == 200
    await client.close()


async def test_a_wrong_password_is_said_in_words(tmp_path: Path, serve_coordinator: Serve) -> None:
    server = NatsServer(tmp_path / "locked", "--user", "somebody", "--pass", "secret")
    server.start()
    try:
        coordinator = await serve_coordinator(is_ready=False, nats_url=server.url)

        async def is_said() -> bool:
            return "uthoriz" in (await readyz(coordinator))[1]

        await until(is_said)
    finally:
        server.kill()


async def test_an_outage_is_one_line_in_the_log_and_tells_no_password(
    nats_server: NatsServer, serve_coordinator: Serve
) -> None:
    url = nats_server.url.replace("//", "//somebody:secret@")
    with capture_logs() as logs:
        coordinator = await serve_coordinator(nats_url=url)
        nats_server.kill()
        await until_ready(coordinator, 503)
        nats_server.start()
        await until_ready(coordinator)
    warnings = [line["event"] for line in logs if line["log_level"] == "warning"]
    assert warnings == ["no connection to NATS"]
    assert "secret" not in str(logs)


async def test_a_run_survives_the_bus_being_killed(
    nats_server: NatsServer, serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    async with viewing(await serve_coordinator()) as viewer:
        await ask(bus, "scheduler.start", interval_ms=200)
        await viewer.until(lambda f: f["type"] == "tick" and f["remaining"] == 8)
        nats_server.kill()
        await asyncio.sleep(0.5)  # the outage itself
        nats_server.start()
        await viewer.until(is_last_tick)
    assert viewer.ticks == list(range(10, -1, -1))
    assert [f["type"] for f in viewer.frames].count("hello") == 1


async def test_viewers_are_told_when_the_stream_is_another_one(
    nats_server: NatsServer, serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    async with viewing(await serve_coordinator()) as viewer:
        hello = await viewer.frame()
        await ask(bus, "scheduler.start", interval_ms=100, **{"from": 2})
        await viewer.until(is_last_tick)
        nats_server.kill()
        nats_server.wipe()
        nats_server.start()
        again = await viewer.until(lambda f: f["type"] == "hello")
        assert again["epoch"] != hello["epoch"]
        assert not again["complete"]
        assert again["state"]["status"] == "idle"

        async def can_start() -> bool:
            try:
                code, _ = await ask(bus, "scheduler.start", interval_ms=100)
            except nats.errors.Error:
                return False
            return code == 200

        await until(can_start)
        await viewer.until(is_last_tick)
    assert viewer.ticks[-11:] == list(range(10, -1, -1))


async def test_viewers_are_told_when_the_stream_is_made_anew_under_a_living_bus(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    async with viewing(await serve_coordinator()) as viewer:
        hello = await viewer.frame()
        await bus.jetstream().delete_stream("COUNTDOWN")
        again = await viewer.until(lambda f: f["type"] == "hello")
        assert again["epoch"] != hello["epoch"]


async def test_a_scheduler_that_is_replaced_mid_run_costs_no_tick(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    scheduler = await serve_scheduler()
    async with viewing(await serve_coordinator()) as viewer:
        await ask(bus, "scheduler.start", interval_ms=100)
        await viewer.until(lambda f: f["type"] == "tick" and f["remaining"] == 7)
        await scheduler.close()
        await serve_scheduler(instance="scheduler-2")
        await viewer.until(is_last_tick)
    assert viewer.ticks == list(range(10, -1, -1))
    assert len({f["due"] for f in viewer.frames if f["type"] == "tick"}) == 11


async def test_a_run_resumes_though_garbage_stands_behind_its_last_event(
    serve_scheduler: Serve, bus: Client
) -> None:
    scheduler = await serve_scheduler()
    await ask(bus, "scheduler.start", interval_ms=100)
    await scheduler.close()
    await bus.request("countdown.main.events", b"garbage")
    await serve_scheduler(instance="scheduler-2")

    async def is_finished() -> bool:
        return [e["remaining"] for e in await history(bus) if e["type"] == "tick"] == list(
            range(10, -1, -1)
        )

    await until(is_finished)


async def test_a_slow_viewer_costs_the_others_nothing_and_is_told_what_it_missed(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    server = await serve_coordinator()
    reader, writer = await asyncio.open_connection(server.host, server.port, limit=65536)
    writer.write(b"GET /sse/connect HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")  # and no more: its buffers fill
    async with viewing(server) as viewer:
        await viewer.frame()
        for n in range(240):
            await bus.publish("countdown.main.message", f"{n:04} {'x' * 3900}".encode())
        await viewer.until(lambda f: f.get("text", "").startswith("0239"))
        assert len([f for f in viewer.frames if f["type"] == "message"]) == 240
        await ask(bus, "scheduler.start", interval_ms=100)
        await viewer.until(is_last_tick)
        assert viewer.ticks == list(range(10, -1, -1))
    missed: list[int] = []
    seqs: list[int] = []
    hellos = 0
    async with asyncio.timeout(10):
        while not missed or missed[-1]:
            line = await reader.readline() if len(missed) < 11 else b""
            if line.startswith(b"data: "):
                frame = json.loads(line.removeprefix(b"data: "))
                hellos += frame["type"] == "hello"
                if frame["type"] == "tick":
                    missed.append(frame["remaining"])
                if "seq" in frame and frame["type"] != "hello":
                    seqs.append(frame["seq"])
    writer.close()
    assert hellos >= 2
    assert missed == list(range(10, -1, -1))
    assert seqs == sorted(set(seqs))


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
async def test_every_service_tells_operators_how_it_is(
    serve_scheduler: Serve, serve_coordinator: Serve, path: str
) -> None:
    for server in (await serve_scheduler(), await serve_coordinator()):
        async with (
            aiohttp.ClientSession() as session,
            session.get(server.make_url(path)) as response,
        ):
            assert response.status == 200


async def test_a_service_is_ready_only_once_it_answers(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    for n in range(10):
        await serve_scheduler(instance=f"scheduler-{n}")
        assert (await ask(bus, "scheduler.start", room=f"room-{n}"))[0] == 200
    await serve_coordinator()
    assert (await ask(bus, "coordinator.room", room="room-9"))[1]["state"]["status"] != "idle"


async def test_an_entry_that_can_not_be_taken_in_ends_the_follower(
    nats_server: NatsServer, bus: Client
) -> None:
    settings = Settings(nats_url=nats_server.url)
    the_bus = Bus(settings, "scheduler")

    def fail(entry: Entry) -> None:
        raise ZeroDivisionError(entry.seq)

    follower = Follower(
        the_bus,
        open_stream=partial(open_stream, the_bus, wanted(settings)),
        on_entry=fail,
        on_reset=lambda epoch: None,
    )
    with pytest.RaisesGroup(ZeroDivisionError):
        async with background(the_bus.run(), follower.run()):
            await follower.caught_up()
            await bus.publish("countdown.main.events", b"hello")
            async with asyncio.timeout(5):
                await asyncio.Event().wait()


async def test_a_past_that_takes_long_to_read_is_read_to_its_end(
    serve_scheduler: Serve, bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may not last is silence."""
    scheduler = await serve_scheduler()
    for n in range(30):
        assert (await ask(bus, "scheduler.start", room=f"r-{n}", interval_ms=60_000))[0] == 200
    await scheduler.close()
    monkeypatch.setattr("bus.consumer.READ_SECONDS", 0.2, raising=False)
    monkeypatch.setattr("bus.consumer.SILENCE_SECONDS", 0.2)
    monkeypatch.setattr("bus.parser.TURN_MESSAGES", 1)
    decode = is_event

    def slowly(entry: Entry) -> bool:
        time.sleep(0.02)
        return decode(entry)

    monkeypatch.setattr("bus.follower.is_event", slowly)
    await serve_scheduler(instance="scheduler-2")
    assert (await ask(bus, "scheduler.start", room="r-29"))[0] == 409
