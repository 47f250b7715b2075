"""Batched direct get: reads the stream from whichever replica answers first (ADR-31).

One request is answered with many messages, an entry each, and with one of status 204 that ends the
batch and carries the number of entries left. Nothing is set up on the server for it, so it is the
cheapest way to read a little of a large stream: 0.2 ms for the last two entries of a room. A
replica may lag behind its leader: the answer is correct, and complete up to its last entry, but
need not be the newest.

An entry is recognised by the `Nats-Sequence` that the server adds to every one; the end of a batch
has a status instead.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from protocol import subjects

from .client import Client
from .connection import Bus
from .errors import BusError, BusTimeout, BusUnavailable, NoResponders, bus_errors
from .headers import entry_of, server_headers, status_of
from .stream import Entry

ANSWER_SECONDS = 2.0
MAX_SUBJECTS: Final = 256
"""The most subjects of one `multi_last`: 3 ms of the server's time."""

_DIRECT: Final = f"$JS.API.DIRECT.GET.{subjects.STREAM}"


class Batch(Struct, frozen=True):
    """Entries in rising order, and the sequence up to which they are complete."""

    entries: list[Entry]
    up_to: int = 0


class _Answer:
    """What has arrived of an answer so far."""

    def __init__(self) -> None:
        self.batch: asyncio.Future[Batch] = asyncio.get_running_loop().create_future()
        self._entries: list[Entry] = []
        self._last: int | None = 0

    def take(self, block: bytes, payload: bytes) -> None:
        """Add a message of the answer, with its block of headers."""
        if self.batch.done():
            return
        headers = server_headers(block)
        try:
            if b"Nats-Sequence" in headers:
                self._add(headers, payload, block)
            else:
                self._end(headers, *status_of(block))
        except (BusError, KeyError, ValueError) as error:
            self.fail(BusError(f"direct get: {error!r} {block[:200]!r}"))

    def fail(self, error: BusError) -> None:
        """Give up on the answer."""
        if not self.batch.done():
            self.batch.set_exception(error)
            self.batch.exception()  # or asyncio complains where the asker has failed already

    def _add(self, headers: dict[bytes, bytes], payload: bytes, block: bytes) -> None:
        self._follow(headers)
        entry = entry_of(headers, payload, block)
        if entry is None:
            raise BusError("an entry without its place")
        self._entries.append(entry)
        self._last = entry.seq

    def _end(self, headers: dict[bytes, bytes], status: str, description: str) -> None:
        match status:
            case "204":
                self._follow(headers)
                up_to = headers.get(b"Nats-UpTo-Sequence") or headers[b"Nats-Last-Sequence"]
                self.batch.set_result(Batch(self._entries, int(up_to)))
            case "404":
                self.batch.set_result(Batch([]))
            case "503":
                self.fail(NoResponders("direct get: nobody answers"))
            case "":  # an entry whose headers can't be read: it is skipped
                self._last = None
            case _:
                raise BusError(f"{status} {description}".strip())

    def _follow(self, headers: dict[bytes, bytes]) -> None:
        # If the connection was lost and restored in between, part of the answer was lost, too.
        if self._last is not None and int(headers[b"Nats-Last-Sequence"]) != self._last:
            raise BusUnavailable("part of the answer was lost")


class DirectGet:
    """The direct gets of one part of a service.

    Each is asked for at once, and its answer may be awaited later. One that is outstanding when the
    connection is lost fails at once.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._outstanding: set[_Answer] = set()
        bus.on_disconnect.append(self._on_disconnect)

    def multi_last(self, wanted: Sequence[str], start: int = 0) -> Awaitable[Batch]:
        """The last entry of each subject that has one of the sequence `start` or later.

        `up_to` is the stream's last sequence, or 0 if it has none of the subjects. At most
        MAX_SUBJECTS subjects, without wildcards. Raises BusError.
        """
        return self._ask({"multi_last": wanted} | ({"seq": start} if start else {}))

    def next_by_subject(self, subject: str, start: int, count: int) -> Awaitable[Batch]:
        """The first `count` entries of `subject` from the sequence `start` on; none are left if
        empty.

        The server stores nothing while it looks for them, so keep `count` small and the subject
        without wildcards: for those it has to look at every entry (20 ms instead of 0.5 ms in a
        stream of 120,000). Raises BusError.
        """
        return self._ask({"next_by_subj": subject, "seq": start, "batch": count})

    def _ask(self, request: dict[str, object]) -> Awaitable[Batch]:
        answer = _Answer()
        with bus_errors("direct get"):
            client = self._bus.client
            reply = client.inbox.expect(answer.take)
            client.publish_soon(_DIRECT, msgspec.json.encode(request), reply)
        too_late = BusTimeout("direct get: no answer in time")
        timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS, answer.fail, too_late)

        def forget(_: object) -> None:
            timer.cancel()
            client.inbox.forget(reply)
            self._outstanding.discard(answer)

        self._outstanding.add(answer)
        answer.batch.add_done_callback(forget)
        return answer.batch

    def _on_disconnect(self) -> None:
        for answer in list(self._outstanding):
            answer.fail(BusUnavailable("the connection was lost"))


def ask_for_next(client: Client, subject: str, start: int, reply: str) -> None:
    """Have the first entry of `subject` from the sequence `start` on sent to `reply`, or a status
    if there is none: one message, not a batch and its end, and nothing that waits for it."""
    request = {"next_by_subj": subject, "seq": start}
    client.publish_soon(_DIRECT, msgspec.json.encode(request), reply)
