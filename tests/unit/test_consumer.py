"""When a consumer has handed over all that the stream held, also where some of it is gone."""

import pytest

from bus.consumer import Consumer
from bus.stream import Entry


class Reading:
    """A consumer that owes three entries, and what it has handed over."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.current = 0
        self.answered: list[str] = []
        self.consumer = Consumer(self.entries.append, self._on_current, self.answered.append)
        self.consumer.initial_pending = 3

    def _on_current(self) -> None:
        self.current += 1

    def entry(self, number: int) -> None:
        reply = f"$JS.ACK.COUNTDOWN.name.1.{number}.{number}.1000000.0"
        self.consumer.receive(b"countdown.main.message", reply.encode(), b"", b"")

    def control(self, reply: str = "", **headers: object) -> None:
        lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
        block = "".join(["NATS/1.0 100 Idle Heartbeat\r\n", *lines, "\r\n"])
        self.consumer.receive(b"inbox", reply.encode(), block.encode(), b"")

    def heartbeat(self, last: int) -> None:
        self.control(Nats_Last_Consumer=last)


async def test_it_is_current_once_all_that_was_owed_has_come() -> None:
    reading = Reading()
    for number in (1, 2, 3, 4):
        reading.entry(number)
        assert reading.current == (number >= 3)
    reading.heartbeat(4)
    assert reading.current == 1


async def test_it_is_current_where_the_rest_was_purged_meanwhile() -> None:
    reading = Reading()
    reading.entry(1)
    reading.heartbeat(1)
    assert reading.current == 1
    assert reading.consumer.initial_pending == 0
    reading.entry(2)
    reading.heartbeat(2)
    assert (reading.current, len(reading.entries)) == (1, 2)


@pytest.mark.parametrize("last", [0, 2])
async def test_a_gap_is_a_loss_and_nothing_else(last: int) -> None:
    reading = Reading()
    reading.entry(1)
    reading.heartbeat(last)
    assert reading.consumer.lost.is_set()
    assert reading.current == 0


FLOW = "$JS.FC.COUNTDOWN.name.abc"


async def test_flow_control_is_answered_and_nothing_is_published_for_others() -> None:
    reading = Reading()
    reading.control(reply=FLOW)
    reading.control(Nats_Last_Consumer=0, Nats_Consumer_Stalled=f"{FLOW}2")
    assert reading.answered == [FLOW, f"{FLOW}2"]
    for theirs in ("countdown.main.events", f"{FLOW} theirs"):
        reading.control(reply=theirs)
        reading.control(Nats_Last_Consumer=0, Nats_Consumer_Stalled=theirs)
    assert reading.answered == [FLOW, f"{FLOW}2"]
    assert not reading.consumer.lost.is_set()


async def test_a_stalled_consumer_still_owes_the_rest() -> None:
    reading = Reading()
    reading.entry(1)
    reading.control(Nats_Last_Consumer=1, Nats_Consumer_Stalled=FLOW)
    assert (reading.consumer.initial_pending, reading.current) == (2, 0)
