"""The same stream of frames as Server-Sent Events."""

import json

import aiohttp
from nats.aio.client import Client

from support.bus_client import ask
from support.event_stream import listening
from support.served import Serve, metric
from support.viewer import viewing


async def test_a_countdown_can_be_read_as_server_sent_events(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    async with listening(await serve_coordinator()) as stream:
        hello = await anext(stream)
        assert hello["event"] == json.loads(hello["data"])["type"] == "hello"
        await ask(bus, "scheduler.start", interval_ms=100)
        ticks = []
        async for event in stream:
            frame = json.loads(event["data"])
            assert event["event"] == frame["type"]
            if frame["type"] == "tick":
                assert event["id"] == f"{json.loads(hello['data'])['epoch']}:{frame['seq']}"
                ticks.append(frame["remaining"])
                if not frame["remaining"]:
                    break
    assert ticks == list(range(10, -1, -1))


async def test_a_stream_resumes_behind_its_last_event_id(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    server = await serve_coordinator()
    ticks = []
    last_id = ""
    async with listening(server) as stream, viewing(server) as watching:
        await ask(bus, "scheduler.start", interval_ms=100)
        async for event in stream:
            last_id = event.get("id", last_id)
            if event["event"] == "tick":
                ticks.append(json.loads(event["data"])["remaining"])
                if ticks[-1] == 7:
                    break
        await watching.until(lambda f: f["type"] == "tick" and f["remaining"] == 5)
    async with listening(server, **{"Last-Event-ID": last_id}) as stream:
        async for event in stream:
            frame = json.loads(event["data"])
            if frame["type"] == "hello":
                assert frame["complete"]
            if frame["type"] == "tick":
                ticks.append(frame["remaining"])
                if not frame["remaining"]:
                    break
    assert ticks == list(range(10, -1, -1))


async def test_a_page_of_a_site_that_may_connect_may_also_read(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            server.make_url("/sse/connect"), headers={"Origin": "http://localhost:8080"}
        ) as response,
    ):
        assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:8080"


async def test_an_event_source_that_is_refused_for_now_is_told_to_come_back(
    serve_coordinator: Serve,
) -> None:
    # Any status but 200 would end it for good.
    server = await serve_coordinator(max_viewers=1)
    names = [
        'tminus_handshakes_refused_total{reason="all"}',
        'tminus_http_refused_total{status="503"}',
    ]
    before = [await metric(server, name) for name in names]
    async with viewing(server) as viewer:
        await viewer.frame()
        async with listening(server, Accept="text/event-stream") as stream:
            [bye] = [event async for event in stream]
    assert [await metric(server, name) for name in names] == [count + 1 for count in before]
    assert 5000 <= int(bye["retry"]) <= 10_000
    assert bye["event"] == "bye"
    assert json.loads(bye["data"]) == {"type": "bye", "reason": "full", "reconnect_ms": 5000}


async def test_a_stream_ends_with_bye_when_its_coordinator_stops(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    async with listening(server) as stream:
        assert (await anext(stream))["event"] == "hello"
        await server.close()
        names = [event["event"] async for event in stream]
    assert names[-1] == "bye"


async def test_viewers_whose_stream_ends_are_told_to_come_back_at_different_times(
    serve_coordinator: Serve,
) -> None:
    server = await serve_coordinator()
    waits = []
    for _ in range(5):
        async with listening(server) as stream:
            waits.append(int((await anext(stream))["retry"]))
    assert all(1000 <= wait <= 4000 for wait in waits)
    assert len(set(waits)) > 1


async def test_a_stream_says_that_its_connection_ends_with_it(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/sse/connect")) as response,
    ):
        assert response.headers["Connection"] == "close"
