"""A subscription that receives no more than its service can answer, however much is published.

nats-py queues whatever the server sends, up to 128 MB of it, and reading a flood takes the time
that ticks need. So the server gets a limit with each subscription, and the next one is opened when
most of these messages have been taken. What is published meanwhile goes to another replica, or to
nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from prometheus_client import Counter

from .client import Client
from .errors import BusError, bus_errors

BATCH = 512
"""The messages that one subscription receives."""
BATCH_WITHOUT_GROUP = 64
"""The same of a subject that every replica answers: what can't be shared must be less."""
BATCH_SECONDS = 0.2
"""The least time from one subscription to the next: 2,560 messages a second at most."""
RETRY_SECONDS = 0.25

_floods = Counter(
    "tminus_requests_floods_total",
    "Times that a service received requests faster than it takes them.",
    ["subject"],
)


class _Batch:
    """A subscription to `size` messages."""

    subscription: Subscription

    def __init__(self, size: int) -> None:
        self.left = size
        """The messages that have not been taken yet."""


class Metered:
    """Messages of `subject`, in batches, each handed to `take`.

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
        """With a group, each subscription receives `size` messages."""
        self._client = client
        self._subject = subject
        self._queue = queue
        self._take = take
        self._group = group
        self._left = 0
        """The messages that may still come, and those that wait, of all batches."""
        self._size = size if queue else BATCH_WITHOUT_GROUP
        self._low = size // 2 if queue else 0
        self._batches: list[_Batch] = []
        self._opened_at = 0.0
        self._is_over = False

    async def open(self) -> None:
        """Subscribe for one more batch."""
        self._opened_at = asyncio.get_running_loop().time()
        batch = _Batch(self._size)
        batch.subscription = await self._client.subscribe_to(
            self._subject, self._queue, partial(self._on_message, batch), limit=self._size
        )
        self._batches.append(batch)
        self._left += self._size

    async def drain(self) -> None:
        """Receive no more, and wait until all that was received is taken."""
        self._is_over = True
        for batch in self._batches:
            with suppress(BusError), bus_errors(self._subject):
                await batch.subscription.drain()  # type: ignore[no-untyped-call]  # it has no types

    async def unsubscribe(self) -> None:
        """For `nats.micro`, which unsubscribes endpoints when it stops: by then it is drained."""

    async def _on_message(self, batch: _Batch, message: Msg) -> None:
        self._left -= 1
        if self._left == self._low and not self._is_over:
            self._group.create_task(self._open_next())
        await self._take(message)
        batch.left -= 1

    async def _open_next(self) -> None:
        loop = asyncio.get_running_loop()
        wait_seconds = self._opened_at + BATCH_SECONDS - loop.time()
        if wait_seconds > 0:
            _floods.labels(self._subject if self._queue else "$SRV").inc()
            await asyncio.sleep(wait_seconds)
        while not (self._is_over or self._client.is_closed):
            with suppress(BusError), bus_errors(self._subject):
                await self.open()
                await self._close_finished()
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _close_finished(self) -> None:
        finished = [batch for batch in self._batches if not batch.left]
        self._batches = [batch for batch in self._batches if batch.left]
        for batch in finished:
            await batch.subscription.unsubscribe()
