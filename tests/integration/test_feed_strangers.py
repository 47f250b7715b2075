"""A feed and the headers that strangers choose."""

import asyncio

import msgspec
import pytest
from nats.aio.client import Client

from bus.direct import DirectGet
from bus.stream import Entry
from support.feed import Watching, append, until, watching
from support.nats_server import NatsServer

FORGED = (
    b"Nats-Sequence: 99\r\nNats-Sequence: 98\r\nNats-Last-Sequence: 97\r\nNats-Stream: OTHER\r\n"
    b"Nats-Time-Stamp: 2001-01-01T00:00:00Z\r\nNats-Subject: countdown.other.events\r\n"
)
BLOCKS = [
    b"N",
    b"NA",
    b"",
    b"\r\n",
    b"GARBAGE\r\nfoo: bar\r\n\r\n",
    b"NATS/1.0\r\n",
    b"NATS/1.0\r\nfoo",
    b"NATS/1.0\r\n\r\n\r\nfoo: bar\r\n\r\n",
    b"NATS/1.0\r\nfo\x00o: b\xff\xfear\r\n\r\n",
    b"NATS/1.0\r\n" + FORGED + b"\r\n",
    b"NATS/1.0\r\n" + FORGED,
    b"NATS/1.0\r\nStatus: 204\r\nNats-Num-Pending: 0\r\nNats-UpTo-Sequence: 1\r\n\r\n",
    b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: 1\r\n\r\n",
    b"NATS/1.0 503\r\n\r\n",
    b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\n\r\n",
    b"NATS/1.0\r\nNats-Expected-Stream: MESSAGES\r\n\r\n",
    b"NATS/1.0\r\nNats-Stream-Source: MESSAGES 99 > > countdown.a.message\r\n\r\n",
    b"NATS/1.0\r\nNats-Rollup: all\r\n\r\n",
    b"NATS/1.0\r\nNats-TTL: 1s\r\n\r\n",
    b"NATS/1.0\r\nNats-Msg-Id: 1\r\n\r\n",
]


async def publish_raw(port: int, subject: bytes, block: bytes, payload: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b'CONNECT {"headers":true,"verbose":false}\r\n'
        + b"HPUB %s %d %d\r\n" % (subject, len(block), len(block) + len(payload))
        + block
        + payload
        + b"\r\nPING\r\n"
    )
    async with asyncio.timeout(5):
        await reader.readuntil(b"PONG\r\n")
    writer.close()


@pytest.mark.parametrize("is_live", [True, False], ids=["live", "read"])
async def test_headers_of_strangers_break_neither_the_server_nor_the_feed(
    nats_server: NatsServer, bus: Client, is_live: bool
) -> None:
    async with watching(nats_server.url, *(["main"] if is_live else [])) as there:
        await append(bus, "countdown.main.events", b"first")
        for block in BLOCKS:
            await publish_raw(nats_server.port, b"countdown.main.message", block, b"hello")
            await publish_raw(nats_server.port, b"countdown.\xff\xfe.message", block, b"hello")
        await append(bus, "countdown.main.message", b"last")
        await append(bus, "countdown.main.events", b"last")
        if not is_live:
            there.open("main")
        truth = await settled_but_for_subjects(there)
        assert len(truth) > len(BLOCKS) - 5
        assert [entry.subject for entry in there.entries["main"]].count(
            "countdown.main.events"
        ) == 2
        assert not there.resets
        assert nats_server.is_running


def bare(entries: list[Entry]) -> list[Entry]:
    """The entries without their headers, which say by which way they came."""
    return [msgspec.structs.replace(entry, headers=b"") for entry in entries]


async def settled_but_for_subjects(there: Watching) -> list[int]:
    """Like `settled`, where some of the stream's subjects and headers can't be read by nats-py."""

    direct = DirectGet(there.bus)

    async def is_all_there() -> bool:
        batch = await direct.next_by_subject("countdown.main.*", 1, 1000)
        texts = [entry.data for entry in batch.entries]
        return texts.count(b"last") == 2 and bare(there.entries["main"]) == bare(batch.entries)

    await until(is_all_there)
    return there.seqs("main")
