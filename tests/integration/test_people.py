"""The bus as it is deployed: what users without a password may do, and who is disconnected."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy

from support.bus_client import ask, history
from support.nats_server import NatsServer
from support.served import Serve
from support.waiting import WAIT_SECONDS, until

FOUND_OUT_SECONDS = 6.0
"""How long a client that hangs may keep its subscriptions."""


@pytest.fixture
def nats_server(deployed_nats_server: NatsServer) -> NatsServer:
    """As it is deployed."""
    return deployed_nats_server


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


class Person:
    """Nobody in particular on the bus, and what the server has refused them."""

    bus: Client

    def __init__(self) -> None:
        self.refused: list[str] = []

    async def report(self, error: Exception) -> None:
        self.refused.append(str(error))


@pytest.fixture
async def person(nats_server: NatsServer, serve_scheduler: Serve) -> AsyncIterator[Person]:
    """Nobody in particular on the bus, once a scheduler has made the stream."""
    await serve_scheduler()
    person = Person()
    person.bus = await nats.connect(nats_server.url, error_cb=person.report)
    yield person
    await person.bus.close()


CONSUMER = {"name": "mine", "durable_name": "mine", "ack_policy": "none"}
CREATE = {"stream_name": "COUNTDOWN", "config": CONSUMER}


@pytest.mark.parametrize(
    ("subject", "request_"),
    [
        ("CREATE.COUNTDOWN", {"stream_name": "COUNTDOWN", "config": {"ack_policy": "none"}}),
        ("CREATE.COUNTDOWN.mine", CREATE),
        ("CREATE.COUNTDOWN.mine.countdown.*.events", CREATE),
        ("DURABLE.CREATE.COUNTDOWN.mine", CREATE),
        ("DELETE.COUNTDOWN.theirs", {}),
        ("INFO.COUNTDOWN.theirs", {}),
        ("MSG.NEXT.COUNTDOWN.theirs", {"batch": 1}),
        ("NAMES.COUNTDOWN", {}),
        ("LIST.COUNTDOWN", {}),
    ],
)
async def test_people_have_no_business_with_consumers(
    person: Person, operator: Client, subject: str, request_: dict[str, object]
) -> None:
    jetstream = operator.jetstream()
    await jetstream.add_consumer("COUNTDOWN", name="theirs", ack_policy=AckPolicy.NONE)
    before = {consumer.name for consumer in await jetstream.consumers_info("COUNTDOWN")}
    with pytest.raises(nats.errors.TimeoutError):
        await person.bus.request(
            f"$JS.API.CONSUMER.{subject}", json.dumps(request_).encode(), timeout=0.3
        )
    asked = f"$JS.API.CONSUMER.{subject}".lower()
    assert person.refused == [f'nats: permissions violation for publish to "{asked}"']
    assert {consumer.name for consumer in await jetstream.consumers_info("COUNTDOWN")} == before


@pytest.mark.parametrize(
    "subject",
    [
        *("INFO", "STREAM.NAMES", "STREAM.LIST", "STREAM.INFO.COUNTDOWN"),
        *("STREAM.MSG.GET.COUNTDOWN", "DIRECT.GET.COUNTDOWN"),
    ],
)
async def test_people_read_a_subject_s_last_entry_and_nothing_else(
    person: Person, subject: str
) -> None:
    subject = f"$JS.API.{subject}"
    with pytest.raises(nats.errors.TimeoutError):
        await person.bus.request(subject, b'{"seq":1}', timeout=0.3)
    assert person.refused == [f'nats: permissions violation for publish to "{subject.lower()}"']


async def test_a_direct_get_of_people_s_is_of_one_entry(person: Person) -> None:
    await person.bus.jetstream().publish("countdown.main.message", b"hello")
    subject = "$JS.API.DIRECT.GET.COUNTDOWN.countdown.main.message"
    assert (await person.bus.request(subject, timeout=5)).data == b"hello"
    for more in ({"batch": 1000}, {"next_by_subj": ">"}, {"multi_last": [">"]}):
        refusal = await person.bus.request(subject, json.dumps(more).encode(), timeout=5)
        assert (refusal.headers or {})["Status"] == "408"


@pytest.mark.parametrize("subject", ["$JS.ACK.COUNTDOWN.c.1.1.1.1.0", "$JS.FC.COUNTDOWN.c.1"])
async def test_people_answer_nothing_in_the_name_of_a_consumer(
    person: Person, subject: str
) -> None:
    await person.bus.publish(subject, b"")

    async def is_refused() -> bool:
        return person.refused == [f'nats: permissions violation for publish to "{subject.lower()}"']

    await until(is_refused)


async def test_people_send_ask_listen_and_read(person: Person, operator: Client) -> None:
    bus = person.bus
    everything = await bus.subscribe("countdown.>")
    acknowledged = await bus.jetstream().publish("countdown.main.message", b"hello")
    assert (await everything.next_msg(WAIT_SECONDS)).data == b"hello"
    code, started = await ask(bus, "scheduler.start", **{"from": 60})
    assert code == 200
    assert json.loads((await everything.next_msg(WAIT_SECONDS)).data) == started
    assert (await history(operator))[0] == started | {"seq": acknowledged.seq + 1}
    message = await bus.jetstream().get_last_msg("COUNTDOWN", "countdown.main.message", direct=True)
    assert message.data == b"hello"
    service = json.loads((await bus.request("$SRV.INFO.scheduler", timeout=5)).data)
    assert service["name"] == "scheduler"
    assert not person.refused


async def test_people_can_take_no_place_of_a_service(nats_server: NatsServer) -> None:
    streams, answers = [], Counter[str]()
    try:
        for _ in range(1001):
            reader, writer = await asyncio.open_connection("127.0.0.1", nats_server.port)
            streams.append(writer)
            writer.write(b'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n')
            # One after another: the server may count one too few if two come at the same time.
            answers[await _answer(reader)] += 1
        assert answers == {"PONG": 1000, "maximum account active connections exceeded": 1}
        service = await nats.connect(nats_server.url, user="frontend", password="frontend")
        assert service.is_connected
        await service.close()
    finally:
        for writer in streams:
            writer.close()


async def _answer(reader: asyncio.StreamReader) -> str:
    """The server's answer to the first ping, or why it refuses the connection."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            line = (await reader.readline()).decode().strip()
            if line == "PONG":
                return line
            if line.startswith("-ERR"):
                return line.removeprefix("-ERR ").strip("'")
