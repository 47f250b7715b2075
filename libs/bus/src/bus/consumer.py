"""A push consumer of the stream whose loss is noticed at once.

Its deliveries are numbered, so a gap shows; its heartbeats come every second, so silence shows too.
nats-py's own ordered consumer answers flow control only four times a second, which slows down a
replay; here the answer is sent as soon as everything before it has been delivered.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from protocol import subjects

from .client import Client
from .connection import Bus
from .errors import BusError, bus_errors
from .headers import server_headers
from .stream import Entry

HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 3.0
"""Without a delivery or a heartbeat for this long, the consumer counts as lost."""
DELETE_SECONDS = 0.5
"""How long the server may take to delete a consumer; it deletes it by itself after 30 s."""
ENTRY_REPLY = b"$JS.ACK."
FLOW_REPLY = b"$JS.FC."


class Consumer:
    """One consumer on the server, and what it delivers."""

    def __init__(
        self,
        on_entry: Callable[[Entry], None],
        on_current: Callable[[], None],
        answer: Callable[[str], None],
    ) -> None:
        """`answer` publishes an empty message to a subject of the server's."""
        self._on_entry = on_entry
        self._on_current = on_current
        self._answer = answer
        self._clock = asyncio.get_running_loop().time
        self._heard = self._clock()
        self._deliveries = 0
        self.initial_pending = 0
        """How many of the entries that the stream held at its creation are still to come."""
        self.pending = 0
        """How many entries the stream held behind the last delivery."""
        self.lost = asyncio.Event()

    async def until_lost(self) -> str:
        """Wait until it is silent or a delivery was missed; returns the reason."""
        while not self.lost.is_set():
            silent_for = self._clock() - self._heard
            if silent_for > SILENCE_SECONDS:
                return "nothing heard from the consumer"
            with suppress(TimeoutError):
                async with asyncio.timeout(SILENCE_SECONDS + 0.1 - silent_for):
                    await self.lost.wait()
        return ""

    def receive(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> None:
        """Handle what the server sends: an entry, a heartbeat, or a flow control request.

        An entry is recognised by its reply subject, which the server sets. Its headers are its
        publisher's, who can forge a heartbeat's.
        """
        self._heard = self._clock()
        if not reply.startswith(ENTRY_REPLY):
            self._on_control(reply, server_headers(headers))
            return
        at, seq, delivery, self.pending = _metadata(reply)
        if delivery != self._deliveries + 1:
            self.lost.set()
            return
        self._deliveries = delivery
        self._on_entry(Entry(seq, subject.decode(errors="replace"), payload, at))
        self.initial_pending -= 1
        if self.initial_pending == 0:
            self._on_current()

    def _on_control(self, reply: bytes, headers: dict[bytes, bytes]) -> None:
        """Answer flow control; check with a heartbeat whether a delivery was lost."""
        stalled = headers.get(b"Nats-Consumer-Stalled", b"")
        asked = reply or stalled
        if asked.startswith(FLOW_REPLY) and b" " not in asked:
            self._answer(asked.decode())
        last = headers.get(b"Nats-Last-Consumer")
        if last is None:
            return
        if int(last) != self._deliveries:
            self.lost.set()
        elif not stalled:
            # The server has nothing to deliver: what was pending was purged, or has expired.
            self.pending = 0
            if self.initial_pending > 0:
                self.initial_pending = 0
                self._on_current()


@asynccontextmanager
async def consuming(
    bus: Bus,
    client: Client,
    subject: str,
    policy: DeliverPolicy,
    on_entry: Callable[[Entry], None],
    on_current: Callable[[], None],
    start: int | None = None,
) -> AsyncIterator[Consumer]:
    """Have the entries of `subject` delivered, from the sequence `start` on if it is given.

    `on_current` is called when everything that the stream held at first has been delivered.
    """
    jetstream = bus.jetstream
    name, inbox = uuid.uuid4().hex, client.new_inbox()
    config = ConsumerConfig(
        name=name,
        deliver_subject=inbox,
        filter_subject=subject,
        deliver_policy=policy,
        opt_start_seq=start,
        ack_policy=AckPolicy.NONE,
        max_deliver=1,
        mem_storage=True,
        num_replicas=1,
        flow_control=True,
        idle_heartbeat=HEARTBEAT_SECONDS,
        inactive_threshold=30.0,
    )
    # A push consumer waits for a subscriber, so `num_pending` is known before any delivery.
    info = await jetstream.add_consumer(subjects.STREAM, config)
    consumer = Consumer(on_entry, on_current, partial(client.publish_soon, payload=b"", reply=""))
    consumer.initial_pending = consumer.pending = info.num_pending or 0
    subscription = client.subscribe_inline(inbox, consumer.receive)
    try:
        if not consumer.initial_pending:
            on_current()
        yield consumer
    finally:
        with suppress(BusError), bus_errors("unsubscribing"):
            await subscription.unsubscribe()
            if client.is_connected:
                async with asyncio.timeout(DELETE_SECONDS):
                    await jetstream.delete_consumer(subjects.STREAM, name)


async def read(
    bus: Bus,
    client: Client,
    subject: str,
    policy: DeliverPolicy,
    on_entry: Callable[[Entry], None],
) -> None:
    """Deliver what the stream holds of `subject` now, however long it takes.

    Raises BusError if a delivery was missed or the consumer falls silent.
    """
    is_current = asyncio.Event()
    async with consuming(bus, client, subject, policy, on_entry, is_current.set) as consumer:
        waits = [
            asyncio.ensure_future(is_current.wait()),
            asyncio.ensure_future(consumer.until_lost()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not is_current.is_set():
            raise BusError("the consumer was lost while reading")


def _metadata(reply: bytes) -> tuple[int, int, int, int]:
    """When it was stored (ms), its stream sequence, its delivery number and how many entries are
    pending behind it, from the reply subject.

    `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<delivery>.<ns>.<pending>`, with more
    tokens before the stream's name, and perhaps one at the end, if there is a domain (ADR-15).
    """
    tokens = reply.split(b".")
    first = 5 if len(tokens) == 9 else 7
    seq, delivery, stored_ns, pending = map(int, tokens[first : first + 4])
    return stored_ns // 1_000_000, seq, delivery, pending
