"""Reading what the NATS server sends: many messages at once don't keep others waiting."""

import asyncio

from bus.client import Client
from bus.parser import TURN_MESSAGES


async def test_others_have_their_turns_among_many_messages_in_one_piece() -> None:
    client, taken, seen = Client(), [], []
    client.subscribe_inline("all", lambda *message: taken.append(message))

    async def others() -> None:
        while len(taken) < 3 * TURN_MESSAGES:
            seen.append(len(taken))
            await asyncio.sleep(0)

    watching = asyncio.create_task(others())
    await client._ps.parse(b"MSG all 1 reply 4\r\ntext\r\n" * (3 * TURN_MESSAGES))
    await watching
    assert taken == [(b"all", b"reply", b"", b"text")] * (3 * TURN_MESSAGES)
    assert seen == [TURN_MESSAGES, 2 * TURN_MESSAGES]
