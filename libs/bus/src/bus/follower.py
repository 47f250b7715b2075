"""Following the stream: every entry once, in order, whatever happens to the server.

After a gap, after silence and after every reconnect, the follower opens a new consumer behind the
last entry it has delivered. It identifies the stream by its creation time and by that entry: if the
stream was recreated, or restored from a backup, which ends before it or holds another one in its
place, it starts again from the beginning.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Never

import nats.js.errors
from nats.js.api import DeliverPolicy, StreamInfo
from prometheus_client import Counter, Gauge

from protocol import subjects
from runtime.logs import logger

from .client import Client
from .connection import Bus
from .consumer import Consumer, consuming, read
from .entries import is_event
from .errors import BusError, bus_errors
from .stream import Entry, epoch_of

log = logger(__name__)

RETRY_SECONDS = 0.25
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
"""A consumer that is lost at once is opened again after a pause that doubles up to this."""
STEADY_SECONDS = 10.0
"""A consumer that lived for this long was not lost at once."""

_position = Gauge("tminus_follower_position", "Stream sequence of the last entry delivered.")
_opened = Counter("tminus_follower_opened_total", "Consumers opened.")


class Follower:
    """Delivers the events of all rooms: each room's last one, then whatever is stored.

    A room's last event is its whole state. `on_entry` gets each entry once for as long as the
    stream is the same. Before the first entry, and again whenever the stream was recreated or
    truncated, `on_reset` gets the stream's identity.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        open_stream: Callable[[], Awaitable[StreamInfo]],
        on_entry: Callable[[Entry], None],
        on_reset: Callable[[str], None],
    ) -> None:
        self._bus = bus
        self._open_stream = open_stream
        self._on_entry = on_entry
        self._on_reset = on_reset
        self._consumer: Consumer | None = None
        self._failure: Exception | None = None
        self._moved = asyncio.Event()
        self._reason = ""
        self._has_begun = False
        self.epoch = ""
        self.position = 0
        """Stream sequence of the last entry delivered."""
        self._latest: Entry | None = None
        """The entry delivered with the highest sequence."""
        _position.set_function(lambda: self.position)
        bus.on_disconnect.append(self._lose)

    @property
    def is_caught_up(self) -> bool:
        """Whether the consumer lives and has delivered all that the stream held at first."""
        consumer = self._consumer
        return consumer is not None and consumer.initial_pending <= 0 and not consumer.lost.is_set()

    @property
    def is_at_the_end(self) -> bool:
        """Whether everything that the stream holds has been delivered."""
        return self.is_caught_up and self._consumer is not None and not self._consumer.pending

    def check(self) -> str | None:
        """For `/readyz`."""
        if self.is_caught_up:
            return None
        return ": ".join(filter(None, ["not caught up with the stream", self._reason]))

    async def caught_up(self) -> None:
        """Wait until everything that the stream held has been delivered."""
        while not self.is_caught_up:
            self._moved.clear()
            await self._moved.wait()

    async def run(self) -> Never:
        """Follow for ever; raises what `on_entry` raised, since its entry was lost."""
        clock = asyncio.get_running_loop().time
        pause = 0.0
        while True:
            client = await self._bus.connected()
            opened_at = clock()
            try:
                with bus_errors("following"):
                    async with self._open(client) as consumer:
                        reason = await consumer.until_lost()
                # If the connection lives, whatever ended this consumer may end the next one, too.
                is_suspicious = client.is_connected and clock() - opened_at < STEADY_SECONDS
                pause = max(FIRST_PAUSE_SECONDS, 2 * pause) if is_suspicious else 0.0
                pause = min(pause, LONGEST_PAUSE_SECONDS)
                self._say(reason or ("a delivery was missed" if client.is_connected else ""))
                await asyncio.sleep(pause)
            except BusError as error:
                self._say(str(error))
                await asyncio.sleep(RETRY_SECONDS)
            if self._failure is not None:
                raise self._failure

    @asynccontextmanager
    async def _open(self, client: Client) -> AsyncIterator[Consumer]:
        """Open a consumer after the last entry delivered; deliver a new stream's past first."""
        start = await self._begin(client, await self._open_stream())
        async with consuming(
            self._bus,
            client,
            subjects.ALL_EVENTS,
            DeliverPolicy.BY_START_SEQUENCE,
            self._on_entry_delivered,
            self._on_current,
            start,
        ) as consumer:
            self._consumer = consumer
            self._moved.set()
            self._reason = ""
            _opened.inc()
            try:
                yield consumer
            finally:
                self._consumer = None

    async def _begin(self, client: Client, stream: StreamInfo) -> int:
        """The sequence to continue from."""
        epoch = epoch_of(stream)
        if epoch != self.epoch or not await self._goes_on(stream):
            if self.epoch:
                log.warning("the stream was recreated or restored; resetting", epoch=epoch)
            self.epoch, self.position, self._has_begun = epoch, 0, False
            self._latest = None
        if self._has_begun:
            return self.position + 1
        start = stream.state.last_seq + 1
        self._on_reset(epoch)
        await self._deliver_latest(client, before=start)
        self.position, self._has_begun = start - 1, True
        log.info("following", start=start, epoch=epoch)
        return start

    async def _goes_on(self, stream: StreamInfo) -> bool:
        """Whether the stream continues the entries delivered.

        If it was restored from a backup and schedulers have gone on with it, it may have passed the
        position with other entries.
        """
        if stream.state.last_seq < self.position:
            return False
        latest = self._latest
        if latest is None:
            return True
        try:
            found = await self._bus.jetstream.get_msg(subjects.STREAM, latest.seq)
        except nats.js.errors.NotFoundError:
            return True  # it was removed
        return (found.subject, found.data or b"") == (latest.subject, latest.data)

    async def _deliver_latest(self, client: Client, before: int) -> None:
        """Deliver each room's last event, if it was stored before the sequence `before`."""
        unclear: list[str] = []

        def take_last(entry: Entry) -> None:
            if is_event(entry):
                take(entry)
            elif subjects.parse(entry.subject) is not None:
                # Garbage says nothing, so the room's state is in an earlier entry.
                unclear.append(entry.subject)

        def take(entry: Entry) -> None:
            if entry.seq < before:
                self._deliver(entry)

        last = DeliverPolicy.LAST_PER_SUBJECT
        await read(self._bus, client, subjects.ALL_EVENTS, last, take_last)
        for subject in unclear:
            await read(self._bus, client, subject, DeliverPolicy.ALL, take)
        if self._failure is not None:
            raise BusError("an entry could not be handled")

    def _on_entry_delivered(self, entry: Entry) -> None:
        """The consumer has delivered an entry: pass it on if it is a new one."""
        if entry.seq > self.position and self._deliver(entry):
            self.position = entry.seq
            self._moved.set()

    def _deliver(self, entry: Entry) -> bool:
        """Whether `on_entry` succeeded. nats-py would log a failure and continue; here it is kept,
        and ends the service."""
        if self._failure is not None:
            return False
        try:
            self._on_entry(entry)
        except Exception as error:
            self._failure = error
            self._lose()
            return False
        if self._latest is None or entry.seq > self._latest.seq:
            self._latest = entry
        return True

    def _on_current(self) -> None:
        self._moved.set()

    def _lose(self) -> None:
        if self._consumer is not None:
            self._consumer.lost.set()

    def _say(self, reason: str) -> None:
        if reason and reason != self._reason:
            self._reason = reason
            log.warning("not following the stream", reason=reason)
