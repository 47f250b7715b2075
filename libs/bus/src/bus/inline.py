"""A subscription whose messages are handled as they are read.

Any other subscription of nats-py has a queue and a task, 13 KB together, and a message takes a turn
of the event loop and has its headers parsed: too much for a subscription that there is of every
room.
"""

from collections.abc import Callable
from typing import Any

from nats.aio.client import Client
from nats.aio.subscription import Subscription

Handle = Callable[[bytes, bytes, bytes, bytes], None]
"""Takes a message: its subject, its reply subject, its block of headers, its payload."""


_NO_CALLS: dict[Any, Any] = {}


class InlineSubscription(Subscription):
    """What nats-py's client needs of a subscription, and no more."""

    __slots__ = (
        "_conn",
        "_handle",
        "_id",
        "_max_msgs",
        "_pending_next_msgs_calls",
        "_queue",
        "_received",
        "_subject",
    )

    _wait_for_msgs_task = None
    _message_iterator = None

    def __init__(
        self,
        client: Client,
        id: int,
        subject: str,
        handle: Handle,
        *,
        queue: str = "",
        limit: int = 0,
    ) -> None:
        self._conn = client
        self._id = id
        self._subject = subject
        self._queue = queue
        self._handle = handle
        self._max_msgs = limit
        self._received = 0
        self._pending_next_msgs_calls = _NO_CALLS

    @property
    def is_over(self) -> bool:
        """Whether it has received all of its limit."""
        return 0 < self._max_msgs <= self._received

    def take(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
        """Handle a message; the subscription ends with the last one of its limit."""
        self._received += 1
        if self.is_over:
            self._conn._remove_sub(self._id)
        self._handle(subject, reply, headers, payload)

    async def unsubscribe(self, limit: int = 0) -> None:
        """Receive no more than `limit` messages in all."""
        self._max_msgs = limit
        if self._received >= limit:
            self._conn._remove_sub(self._id)
        if not self._conn.is_reconnecting:
            await self._conn._send_unsubscribe(self._id, limit=limit)

    async def _drain(self) -> None:
        await self.unsubscribe()
