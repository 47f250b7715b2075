"""However many messages wait, one of them at a time is on its way to the stream."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from nats.aio.msg import Msg

from scheduler.relay import Relay


class SlowStream:
    """A bus whose stream takes several turns of the loop to store a message."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []
        self.at_once = self.most_at_once = 0

    async def request(self, _subject: str, payload: bytes, *_: object) -> SimpleNamespace:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        for _turn in range(5):
            await asyncio.sleep(0)
        self.stored.append(payload)
        self.at_once -= 1
        return SimpleNamespace(data=b"")


async def test_one_message_is_stored_before_the_next_is_sent() -> None:
    stream = SlowStream()
    relay = Relay(cast(Any, stream))
    messages = [
        Msg(_client=cast(Any, None), subject="people.main.message", data=b"%d" % number)
        for number in range(10)
    ]
    await asyncio.gather(*map(relay._store, messages))
    assert stream.stored == [message.data for message in messages]
    assert stream.most_at_once == 1
