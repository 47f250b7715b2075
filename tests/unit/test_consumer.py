"""When a consumer has handed over all that the stream held, also where some of it is gone."""

from types import SimpleNamespace

import pytest

from bus.consumer import Consumer
from bus.stream import Entry


class Reading:
    """A consumer that owes three entries, and what it has handed over."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.current = 0
        self.consumer = Consumer(self.entries.append, self._on_current)
        self.consumer.owed = 3

    def _on_current(self) -> None:
        self.current += 1

    async def entry(self, number: int) -> None:
        await self._receive(reply=f"$JS.ACK.COUNTDOWN.name.1.{number}.{number}.1000000.0")

    async def heartbeat(self, last: int, **headers: str) -> None:
        status = {"Status": "100", "Nats-Last-Consumer": f"{last}"}
        await self._receive(headers=status | headers)

    async def _receive(self, reply: str = "", headers: dict[str, str] | None = None) -> None:
        message = SimpleNamespace(
            subject="countdown.main.message", data=b"", reply=reply, headers=headers
        )
        await self.consumer.receive(message)  # type: ignore[arg-type]


async def test_it_is_current_once_all_that_was_owed_has_come() -> None:
    reading = Reading()
    for number in (1, 2, 3, 4):
        await reading.entry(number)
        assert reading.current == (number >= 3)
    await reading.heartbeat(4)
    assert reading.current == 1


async def test_it_is_current_where_the_rest_was_purged_meanwhile() -> None:
    reading = Reading()
    await reading.entry(1)
    await reading.heartbeat(1)
    assert reading.current == 1
    assert reading.consumer.owed == 0
    await reading.entry(2)
    await reading.heartbeat(2)
    assert (reading.current, len(reading.entries)) == (1, 2)


@pytest.mark.parametrize("last", [0, 2])
async def test_a_gap_is_a_loss_and_nothing_else(last: int) -> None:
    reading = Reading()
    await reading.entry(1)
    await reading.heartbeat(last)
    assert reading.consumer.lost.is_set()
    assert reading.current == 0
