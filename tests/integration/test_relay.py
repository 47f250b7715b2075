"""People's messages reach the stream through the schedulers, as many as ticks can bear."""

import asyncio
import time
from collections.abc import AsyncIterator

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.js.errors import BadRequestError

from bus.metered import BATCH_SECONDS
from protocol.messages import MAX_BYTES, MAX_ID_BYTES
from scheduler.relay import BATCH
from support.nats_server import NatsServer
from support.served import Serve
from support.waiting import until

FLOOD = 20_000


@pytest.fixture
def nats_server(deployed_nats_server: NatsServer) -> NatsServer:
    """As it is deployed."""
    return deployed_nats_server


@pytest.fixture
async def person(nats_server: NatsServer) -> AsyncIterator[Client]:
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


async def test_of_a_flood_only_what_the_schedulers_take_is_stored(
    person: Client, operator: Client, serve_scheduler: Serve
) -> None:
    await serve_scheduler()
    begun_at = time.monotonic()
    for _ in range(FLOOD):
        await person.publish("countdown.main.message", b"!")
    await person.flush()

    async def is_taken_again() -> bool:
        try:
            await person.request("countdown.main.message", b"after the flood", timeout=5)
        except nats.errors.NoRespondersError:
            return False
        return True

    await until(is_taken_again)
    seconds = time.monotonic() - begun_at
    assert await _stored(operator) <= BATCH * (3 + seconds / BATCH_SECONDS)


async def test_a_message_that_is_sent_again_is_stored_once_and_acknowledged_twice(
    person: Client, operator: Client, serve_scheduler: Serve
) -> None:
    await serve_scheduler()
    first, again = [
        await person.jetstream().publish(
            "countdown.main.message", b"hello", headers={"Nats-Msg-Id": "main:1", "other": "x"}
        )
        for _ in range(2)
    ]
    assert (again.seq, again.duplicate) == (first.seq, True)
    entry = await operator.jetstream().get_msg("COUNTDOWN", first.seq)
    assert (entry.data, entry.headers) == (b"hello", {"Nats-Msg-Id": "main:1"})


async def test_a_message_to_no_room_is_not_stored(
    person: Client, operator: Client, serve_scheduler: Serve
) -> None:
    await serve_scheduler()
    for room in ("UPPER", "-", "a" * 65):
        await person.publish(f"countdown.{room}.message", b"hello")
    await person.jetstream().publish("countdown.main.message", b"hello")
    assert await _stored(operator) == 1


async def test_a_message_that_is_too_long_is_refused(
    person: Client, operator: Client, serve_scheduler: Serve
) -> None:
    await serve_scheduler()
    with pytest.raises(BadRequestError) as refused:
        await person.jetstream().publish("countdown.main.message", b"x" * (MAX_BYTES + 1))
    assert refused.value.err_code == 10054
    await person.jetstream().publish("countdown.main.message", b"x" * MAX_BYTES)
    assert await _stored(operator) == 1


async def test_a_message_whose_id_is_too_long_is_refused(
    person: Client, operator: Client, serve_scheduler: Serve
) -> None:
    """NATS keeps every id in memory for two minutes, and 60 KB of each would be gigabytes."""
    await serve_scheduler()
    publish = person.jetstream().publish
    for id in ("i" * (MAX_ID_BYTES + 1), "\N{SNOWMAN}" * (MAX_ID_BYTES // 2)):
        with pytest.raises(BadRequestError) as refused:
            await publish("countdown.main.message", b"hello", headers={"Nats-Msg-Id": id})
        assert refused.value.err_code == 10054
    longest = {"Nats-Msg-Id": "i" * MAX_ID_BYTES}
    await publish("countdown.main.message", b"hello", headers=longest)
    assert await _stored(operator) == 1


async def test_a_scheduler_that_stops_stores_what_it_has_received(
    person: Client, operator: Client, serve_scheduler: Serve
) -> None:
    scheduler = await serve_scheduler()
    acknowledged = [
        asyncio.create_task(person.request("countdown.main.message", b"%d" % number, timeout=5))
        for number in range(BATCH)
    ]
    await acknowledged[0]
    await scheduler.close()
    await asyncio.gather(*acknowledged)
    assert await _stored(operator) == BATCH


async def _stored(operator: Client) -> int:
    return (await operator.jetstream().stream_info("COUNTDOWN")).state.messages
