"""People's messages on their way into the stream, no more of them than ticks can bear.

The stream stores one entry after another, each with a sync, and refuses a tick while its queue is
full of messages; and NATS limits nobody's rate. So what people publish comes here first. Each is
stored before the next is sent, so a tick waits for one of each scheduler at most, however slow the
disk is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Never

from nats.aio.msg import Msg

from bus.connection import Bus
from bus.entries import dropped
from bus.errors import BusError, bus_errors
from bus.metered import Metered
from protocol import subjects
from protocol.messages import ID_HEADER, MAX_BYTES, MAX_ID_BYTES

BATCH: Final = 64
"""How many messages may wait; in a flood as many come every 0.2 s, 320 a second."""
STORE_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 0.25
LAST_SECONDS: Final = 2.0
"""How long the messages already received may still take when the service ends."""
TOO_LONG: Final = (
    b'{"error":{"code":400,"err_code":10054,'
    b'"description":"message size exceeds maximum allowed"},"stream":"COUNTDOWN","seq":0}'
)
"""As a stream answers that limits the size of its messages."""


class Relay:
    """Stores the messages that people publish, and gives each its acknowledgement."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def run(self, ready: Callable[[], Awaitable[object]]) -> Never:
        """Relay for ever, once `ready`."""
        await ready()
        while True:
            client = await self._bus.connected()
            async with asyncio.TaskGroup() as group:
                metered = Metered(
                    client, subjects.PEOPLES_MESSAGES, "scheduler", self._store, group, size=BATCH
                )
                try:
                    await self._bus.closed(client)
                finally:
                    with suppress(BusError), bus_errors("people's messages"):
                        async with asyncio.timeout(LAST_SECONDS):
                            await metered.drain()
            await asyncio.sleep(RETRY_SECONDS)

    async def _store(self, message: Msg) -> None:
        room = subjects.peoples_room(message.subject)
        if room is None:
            dropped.labels("subject").inc()
            return
        id = (message.headers or {}).get(ID_HEADER, "")
        with suppress(BusError, ValueError), bus_errors("people's messages"):
            if len(message.data) <= MAX_BYTES and len(id.encode()) <= MAX_ID_BYTES:
                answer = await self._append(room, message.data, id)
            else:
                dropped.labels("message").inc()
                answer = TOO_LONG
            if message.reply:
                await self._bus.client.publish(message.reply, answer)

    async def _append(self, room: str, payload: bytes, id: str) -> bytes:
        """Store the message in its room; returns the stream's answer."""
        headers = {ID_HEADER: id} if id else None
        stored = await self._bus.request(subjects.messages(room), payload, STORE_SECONDS, headers)
        return stored.data
