"""A tick that the stream refuses, though nothing new can be read of its room."""

import json

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import StreamConfig
from structlog.testing import capture_logs

from bus.connection import Bus
from protocol import events, rules
from protocol.requests import Start
from protocol.rules import Countdown
from runtime.background import background
from runtime.clock import whole_now_ms
from scheduler.deadlines import Deadlines
from scheduler.event_store import EventStore
from scheduler.load import Load
from scheduler.settings import Settings
from support.nats_server import NatsServer
from support.waiting import until

SUBJECT = "countdown.main.events"


async def test_it_is_read_again_for_a_while_before_it_is_appended_again(
    nats_server: NatsServer, bus: Client
) -> None:
    """A replicated stream refuses what is expected to follow an entry that can't be read yet."""
    stream = StreamConfig(name="COUNTDOWN", subjects=[SUBJECT])
    await bus.jetstream().add_stream(stream)
    started = rules.start(Countdown(), Start(), whole_now_ms(), "run-1", "scheduler-1")
    await bus.jetstream().publish(SUBJECT, events.encode(started))
    await bus.jetstream().update_stream(stream.evolve(subjects=["nothing"]))
    refused: list[bytes] = []

    async def refuse(append: Msg) -> None:
        refused.append(append.data)
        error = {"code": 400, "err_code": 10164, "description": "wrong last sequence"}
        await append.respond(json.dumps({"stream": "COUNTDOWN", "error": error}).encode())

    await bus.subscribe(SUBJECT, cb=refuse)
    await bus.flush()
    connection = Bus(Settings(nats_url=nats_server.url), "scheduler")
    store = EventStore(connection, Load(100, 1000))
    deadlines = Deadlines(connection, store, "scheduler-1")

    def said() -> int:
        return sum("holds nothing new" in line["event"] for line in log)

    async def is_said_twice() -> bool:
        return said() > 1

    with capture_logs() as log:
        async with background(connection.run(), deadlines.run()):
            await connection.connected()
            await store.refresh("main")
            await until(is_said_twice)
            assert len(refused) <= said() + 1
