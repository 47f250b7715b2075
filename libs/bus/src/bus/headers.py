"""The headers that the server adds to an entry of the stream when it sends it.

A publisher can write `Nats-Sequence: 1` into its own headers. The server's lines come after those,
and here the last line of a name counts, so the server's do.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from .stream import Entry

_LINE: Final = re.compile(rb"\r\n(Nats-[A-Za-z-]+): ([^\r\n]*)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def server_headers(block: bytes) -> dict[bytes, bytes]:
    """The headers of a block whose names start with `Nats-`."""
    return dict(_LINE.findall(block))


def entry_of(headers: dict[bytes, bytes], payload: bytes, block: bytes) -> Entry | None:
    """The entry that the server sent with this block of headers, which hold `headers`; None if
    these are not an entry's."""
    try:
        stored = datetime.fromisoformat(headers[b"Nats-Time-Stamp"].decode())
        return Entry(
            int(headers[b"Nats-Sequence"]),
            headers[b"Nats-Subject"].decode(errors="replace"),
            payload,
            (stored - _EPOCH) // _MILLISECOND,
            block,
        )
    except (KeyError, ValueError, TypeError):
        return None


def status_of(block: bytes) -> tuple[str, str]:
    """The status of an answer that is no entry, and its description; empty if it has none."""
    if not block.startswith(b"NATS/1.0 "):
        return "", ""
    status, _, description = block[9:].partition(b"\r\n")[0].decode(errors="replace").partition(" ")
    return status, description
