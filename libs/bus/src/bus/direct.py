"""Batched direct get: reads the stream from whichever replica answers first (ADR-31).

One request is answered with many messages, an entry each, and with one of status 204 that ends the
batch and carries the number of entries left. Nothing is set up on the server for it, so it is the
cheapest way to read a little of a large stream: 0.2 ms for the last two entries of a room. A
replica may lag behind its leader: the answer is correct, and complete up to its last entry, but
need not be the newest.

The headers of an entry are its publisher's, then the server's. A publisher can write
`Nats-Sequence: 1` or `Status: 204` as well; the server's lines come after them and nats-py keeps
the last of a name, so the server's win. The end of a batch is recognised by the missing
`Nats-Subject`, which the server adds to every entry.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

from protocol import subjects

from .errors import BusError, BusUnavailable, NoResponders, bus_errors
from .stream import Entry

ANSWER_SECONDS = 2.0
MAX_SUBJECTS: Final = 256
"""The most subjects of one `multi_last`: 3 ms of the server's time."""

_DIRECT: Final = f"$JS.API.DIRECT.GET.{subjects.STREAM}"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Batch(Struct, frozen=True):
    """Entries in rising order, and the sequence up to which they are complete."""

    entries: list[Entry]
    up_to: int = 0


async def multi_last(client: Client, wanted: Sequence[str], start: int = 0) -> Batch:
    """The last entry of each subject that has one of the sequence `start` or later.

    `up_to` is the stream's last sequence, or 0 if it has none of the subjects. At most
    MAX_SUBJECTS subjects, without wildcards. Raises BusError.
    """
    return await _ask(client, {"multi_last": wanted} | ({"seq": start} if start else {}))


async def next_by_subject(client: Client, subject: str, start: int, count: int) -> Batch:
    """The first `count` entries of `subject` from the sequence `start` on; none are left if empty.

    The server stores nothing while it looks for them, so keep `count` small and the subject without
    wildcards: for those it has to look at every entry (20 ms instead of 0.5 ms in a stream of
    120,000). Raises BusError.
    """
    return await _ask(client, {"next_by_subj": subject, "seq": start, "batch": count})


def entry_of(message: Msg) -> Entry | None:
    """The entry that the server passed on; None if its headers are incomplete."""
    headers = message.headers or {}
    try:
        stored = datetime.fromisoformat(headers["Nats-Time-Stamp"])
        at = (stored - _EPOCH) // _MILLISECOND
        return Entry(int(headers["Nats-Sequence"]), headers["Nats-Subject"], message.data, at)
    except (KeyError, ValueError, TypeError):
        return None


class _Answer:
    """What has arrived of an answer so far."""

    def __init__(self) -> None:
        self.batch: asyncio.Future[Batch] = asyncio.get_running_loop().create_future()
        self._entries: list[Entry] = []
        self._last: int | None = 0

    async def take(self, message: Msg) -> None:
        if self.batch.done():
            return
        headers = message.headers or {}
        try:
            if "Nats-Subject" in headers:
                self._add(headers, message)
            else:
                self._end(headers)
        except (BusError, KeyError, ValueError) as error:
            self.batch.set_exception(BusError(f"direct get: {error!r} {headers}"))

    def _add(self, headers: dict[str, str], message: Msg) -> None:
        self._follow(headers)
        entry = entry_of(message)
        if entry is None:
            raise BusError("an entry without its sequence")
        self._entries.append(entry)
        self._last = entry.seq

    def _end(self, headers: dict[str, str]) -> None:
        match headers.get("Status"):
            case "204":
                self._follow(headers)
                up_to = headers.get("Nats-UpTo-Sequence") or headers["Nats-Last-Sequence"]
                self.batch.set_result(Batch(self._entries, int(up_to)))
            case "404":
                self.batch.set_result(Batch([]))
            case "503":
                self.batch.set_exception(NoResponders("direct get: nobody answers"))
            case None:  # an entry whose headers the client could not read: it is skipped
                self._last = None
            case status:
                raise BusError(f"{status} {headers.get('Description', '')}".strip())

    def _follow(self, headers: dict[str, str]) -> None:
        # If the connection was lost and restored in between, part of the answer was lost, too.
        if self._last is not None and int(headers["Nats-Last-Sequence"]) != self._last:
            raise BusUnavailable("part of the answer was lost")


async def _ask(client: Client, request: dict[str, object]) -> Batch:
    inbox, answer = client.new_inbox(), _Answer()
    with bus_errors("direct get"):
        subscription = await client.subscribe(inbox, cb=answer.take)
        try:
            await client.publish(_DIRECT, msgspec.json.encode(request), reply=inbox)
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer.batch
        finally:
            with suppress(BusError), bus_errors("unsubscribing"):
                await subscription.unsubscribe()
