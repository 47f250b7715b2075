"""A subscription that receives no more than its service can answer, however much is published.

A client queues whatever the server sends, and reading a flood takes the time that ticks need. So
the server gets a limit with each subscription, and the next one is opened when most of these
messages have been taken. What is published meanwhile goes to another replica, or to nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Never

from nats.aio.msg import Msg
from prometheus_client import Counter

from .client import Client
from .errors import BusError, bus_errors
from .inline import InlineSubscription

BATCH = 512
"""The messages that one subscription receives."""
BATCH_WITHOUT_GROUP = 64
"""The same of a subject that every replica answers: what can't be shared must be less."""
BATCH_SECONDS = 0.2
"""The least time from one subscription to the next: 2,560 messages a second at most."""

MAX_WAITING_BYTES = 32 << 20
"""More than this of requests does not wait: those that come then get no answer."""

RawMessage = tuple[bytes, bytes, bytes, bytes]
"""Its subject, its reply subject, its block of headers, its payload."""

_floods = Counter(
    "tminus_requests_floods_total",
    "Times that a service received requests faster than it takes them.",
    ["subject"],
)


class Metered:
    """Messages of `subject`, in batches, handed to `take` one after another.

    Members of a `queue` group overlap their batches, so that one is always open unless there is a
    flood. Without a group that would deliver messages twice, so there each follows the last one.
    """

    def __init__(
        self,
        client: Client,
        subject: str,
        queue: str,
        take: Callable[[Msg], Awaitable[None]],
        group: asyncio.TaskGroup,
        *,
        size: int = BATCH,
    ) -> None:
        """Subscribe; with a group, each subscription receives `size` messages."""
        self._client = client
        self._subject = subject
        self._queue = queue
        self._take = take
        self._size = size if queue else BATCH_WITHOUT_GROUP
        self._low = size // 2 if queue else 0
        self._left = 0
        """The messages that may still come, and those that wait, of all batches."""
        self._waiting: asyncio.Queue[RawMessage] = asyncio.Queue()
        self._waiting_bytes = 0
        self._open: list[InlineSubscription] = []
        self._opened_at = 0.0
        self._is_over = False
        self._subscribe()
        self._worker = group.create_task(self._take_all())

    async def drain(self) -> None:
        """Receive no more, and wait until all that was received is taken."""
        self._is_over = True
        try:
            with suppress(BusError), bus_errors(self._subject):
                self._unsubscribe()
                await self._client.flush()  # so the server has sent all that it sends
                await self._waiting.join()
        finally:
            self.close()

    async def unsubscribe(self) -> None:
        """For `nats.micro`, which unsubscribes endpoints when it stops: by then it is drained."""

    def close(self) -> None:
        """Receive and take nothing any more."""
        self._is_over = True
        self._unsubscribe()
        self._worker.cancel()

    def _unsubscribe(self) -> None:
        for batch in self._open:
            self._client.unsubscribe_soon(batch)
        self._open = []

    def _subscribe(self) -> None:
        """Subscribe for one more batch."""
        if self._is_over:
            return
        self._opened_at = asyncio.get_running_loop().time()
        self._left += self._size
        self._open = [batch for batch in self._open if not batch.is_over]
        batch = self._client.subscribe_inline(
            self._subject, self._on_message, queue=self._queue, limit=self._size
        )
        self._open.append(batch)

    def _on_message(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
        if self._waiting_bytes + len(payload) > MAX_WAITING_BYTES:
            self._on_taken()
            return
        self._waiting_bytes += len(payload)
        self._waiting.put_nowait((subject, reply, headers, payload))

    async def _take_all(self) -> Never:
        while True:
            message = await self._waiting.get()
            self._waiting_bytes -= len(message[-1])
            self._on_taken()
            try:
                await self._take(await self._client.message(*message))
            except Exception as error:
                await self._client.report(error)
            finally:
                self._waiting.task_done()

    def _on_taken(self) -> None:
        self._left -= 1
        if self._left != self._low:
            return
        loop = asyncio.get_running_loop()
        wait_seconds = self._opened_at + BATCH_SECONDS - loop.time()
        if wait_seconds <= 0:
            self._subscribe()
        else:
            _floods.labels(self._subject if self._queue else "$SRV").inc()
            loop.call_later(wait_seconds, self._subscribe)
