"""A metered subscription: one message after another, also while two batches overlap."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from nats.aio.msg import Msg

from bus import metered
from bus.client import Client
from bus.inline import InlineSubscription
from bus.metered import Metered


class Server(Client):
    """A client that delivers what a test publishes to those of its subscriptions that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.reported: list[Exception] = []

    def _send_soon(self, command: bytes) -> None:
        """Nothing is connected."""

    async def report(self, error: Exception) -> None:
        self.reported.append(error)

    def deliver(self, payload: bytes) -> bool:
        """Deliver a message; returns whether any subscription was open."""
        for subscription in list(self._subs.values()):
            assert isinstance(subscription, InlineSubscription)
            subscription.take(b"people.main.message", b"", b"", payload)
            return True
        return False


class Slow:
    """Takes several turns of the loop for each message."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.at_once = self.most_at_once = 0

    async def take(self, message: Msg) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        for _turn in range(5):
            await asyncio.sleep(0)
        self.taken.append(message.data)
        self.at_once -= 1
        if message.data == b"bad":
            raise ZeroDivisionError


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metered, "BATCH_SECONDS", 0.0)


async def turns(is_so: Callable[[], bool]) -> None:
    """Give other tasks turns until it is so, a thousand at most."""
    for _turn in range(1000):
        if is_so():
            return
        await asyncio.sleep(0)
    raise TimeoutError


async def test_one_message_is_taken_after_another_in_order_over_all_batches() -> None:
    server, slow = Server(), Slow()
    sent = [b"%d" % number for number in range(20)]
    async with asyncio.TaskGroup() as group:
        some = Metered(server, "people.*.message", "scheduler", slow.take, group, size=4)
        for payload in sent:
            await turns(lambda payload=payload: server.deliver(payload))  # type: ignore[misc]
        await turns(lambda: len(slow.taken) == len(sent))
        some.close()
    assert slow.taken == sent
    assert slow.most_at_once == 1


async def test_no_more_than_its_batches_come_while_none_is_taken() -> None:
    server, slow = Server(), Slow()
    go = asyncio.Event()

    async def hold(message: Msg) -> None:
        await go.wait()
        await slow.take(message)

    async with asyncio.TaskGroup() as group:
        some = Metered(server, "people.*.message", "scheduler", hold, group, size=4)
        delivered = 0
        for _ in range(100):
            delivered += server.deliver(b"x")
            await asyncio.sleep(0)
        assert delivered == 4
        go.set()
        await turns(lambda: len(slow.taken) == 4)
        assert server.deliver(b"x")
        some.close()


async def test_one_that_fails_is_reported_and_the_next_is_taken() -> None:
    server, slow = Server(), Slow()
    async with asyncio.TaskGroup() as group:
        some = Metered(server, "people.*.message", "scheduler", slow.take, group, size=4)
        server.deliver(b"bad")
        server.deliver(b"good")
        await turns(lambda: len(slow.taken) == 2)
        some.close()
    assert slow.taken == [b"bad", b"good"]
    assert [type(error) for error in server.reported] == [ZeroDivisionError]


async def test_what_waits_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metered, "MAX_WAITING_BYTES", 100)
    server, slow = Server(), Slow()
    async with asyncio.TaskGroup() as group:
        some = Metered(server, "people.*.message", "scheduler", slow.take, group, size=8)
        for _ in range(4):
            server.deliver(40 * b"x")
        await turns(lambda: len(slow.taken) == 2)
        for number in range(10):  # those that were dropped count as taken
            await turns(lambda payload=b"%d" % number: server.deliver(payload))  # type: ignore[misc]
        await turns(lambda: len(slow.taken) == 12)
        some.close()


async def test_a_drained_one_takes_what_has_come_and_no_more() -> None:
    server, slow = Server(), Slow()

    async def flush(*_: object) -> None:
        server.deliver(b"on its way")

    cast(Any, server).flush = flush
    async with asyncio.TaskGroup() as group:
        some = Metered(server, "people.*.message", "scheduler", slow.take, group, size=4)
        server.deliver(b"first")
        await some.drain()
        assert slow.taken == [b"first", b"on its way"]
        server.deliver(b"late")
    assert slow.taken == [b"first", b"on its way"]
