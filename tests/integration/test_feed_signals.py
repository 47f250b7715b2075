"""A feed finds what no signal told it of: lost ones, late ones, and floods of them."""

import asyncio
import socket
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from prometheus_client import REGISTRY

from protocol import subjects
from support.feed import Watching, append, burst, names, settled, stored, until, watching
from support.nats_server import NatsServer


async def mute(bus: Client, is_mute: bool) -> None:
    """Have the stream republish nothing, as where what it republished was lost."""
    jetstream = bus.jetstream()
    config = (await jetstream.stream_info(subjects.STREAM)).config
    there = config.republish or mute_config[0]
    mute_config[:] = [there]
    await jetstream.update_stream(replace(config, republish=None if is_mute else there))


mute_config: list[nats.js.api.RePublish] = []


async def test_a_lost_last_entry_is_found_within_seconds(
    nats_server: NatsServer, bus: Client
) -> None:
    async with watching(nats_server.url, "main", "quiet") as there:
        await burst(bus, ["main", "quiet"], 50)
        await settled(there, bus)
        await mute(bus, True)
        await append(bus, "countdown.main.message", b"lost")
        await append(bus, "countdown.quiet.events", b"lost")
        started = time.monotonic()
        await settled(there, bus)
        assert time.monotonic() - started < 3
        assert not there.resets


async def test_a_gap_is_read_when_the_next_entry_shows_it(
    nats_server: NatsServer, bus: Client
) -> None:
    async with watching(nats_server.url, "main") as there:
        for _ in range(5):
            await mute(bus, True)
            await append(bus, "countdown.main.events", b"lost")
            await mute(bus, False)
            await append(bus, "countdown.main.events", b"found")
        await settled(there, bus)
        assert not there.resets


async def test_a_room_begins_anew_where_an_entry_turns_up_too_late(
    nats_server: NatsServer, bus: Client
) -> None:
    async with watching(nats_server.url, "main", "other") as there:
        await append(bus, "countdown.main.message", b"first")
        await append(bus, "countdown.main.events", b"first")
        await settled(there, bus)
        await mute(bus, True)
        await append(bus, "countdown.main.message", b"lost")

        async def is_stored() -> bool:
            return len((await stored(bus))["main"]) == 3

        await until(is_stored)
        await mute(bus, False)
        await append(bus, "countdown.main.events", b"before it")
        await settled(there, bus)
        assert set(there.resets) <= {"main"}
        assert [entry.data for entry in there.entries["main"]][-2:] == [b"lost", b"before it"]


async def test_a_stalled_client_is_cut_off_and_misses_nothing(tmp_path: Path) -> None:
    config = tmp_path / "nats.conf"
    config.write_text('max_pending: 1MB\nwrite_deadline: "500ms"\n')
    server = NatsServer(tmp_path / "jetstream", "-c", str(config))
    server.start()
    rooms = names(5)
    client = await nats.connect(server.url)
    try:
        async with watching(server.url, *rooms) as there:
            reconnects = there.bus.client.stats["reconnects"]
            writing = threading.Thread(target=flood, args=(server.port, rooms, 4000))
            writing.start()
            time.sleep(2.0)  # the whole event loop stands still
            writing.join()

            async def is_over() -> bool:
                info = await client.jetstream().stream_info(subjects.STREAM)
                return bool(info.state.last_seq == 4000)

            await until(is_over)
            await settled(there, client)
            assert there.bus.client.stats["reconnects"] > reconnects
            assert not there.resets
    finally:
        await client.close()
        server.kill()


async def test_messages_that_come_alone_are_asked_for_and_not_read(
    nats_server: NatsServer, bus: Client
) -> None:
    async with watching(nats_server.url, "main") as there:
        before = reads()
        for number in range(20):
            await append(bus, "countdown.main.message", b"%d" % number)
            await until(partial(has_entries, there, number + 1))
        assert reads() - before < 20  # one may come before it is stored, and is read then
        assert [entry.data for entry in there.entries["main"]] == [b"%d" % n for n in range(20)]
        assert not there.resets


@pytest.mark.parametrize("is_mute", [False, True], ids=["signalled", "read"])
async def test_a_flood_of_messages_delays_no_event_and_is_over_when_it_is_over(
    nats_server: NatsServer, bus: Client, is_mute: bool
) -> None:
    subjects = ["countdown.main.message"] * 99 + ["countdown.main.events"]
    async with watching(nats_server.url, "main") as there:
        await append(bus, "countdown.main.events")
        await mute(bus, is_mute)
        for _ in range(10):
            await asyncio.to_thread(publish_fast, nats_server.port, subjects, 400)
        await mute(bus, False)

        def delivered(kind: str) -> int:
            return [entry.subject for entry in there.entries["main"]].count(kind)

        async def has_all_events() -> bool:
            return delivered("countdown.main.events") == 41

        await until(has_all_events)
        assert delivered("countdown.main.message") < 4000 * 0.99

        async def has_last() -> bool:
            return there.seqs("main")[-1:] == (await stored(bus, last=1))["main"]

        await append(bus, "countdown.main.message", b"after the flood")
        await until(has_last)
        await append(bus, "countdown.main.events", b"after the flood")
        await until(has_last)
        assert there.seqs("main") == sorted(there.seqs("main"))
        assert not there.resets


async def has_entries(there: Watching, count: int) -> bool:
    return len(there.entries["main"]) >= count


def reads() -> float:
    """How many reads of rooms this process has made."""
    return REGISTRY.get_sample_value("tminus_feed_reads_total") or 0.0


def flood(port: int, rooms: list[str], count: int) -> None:
    """Store events of 4 KB as fast as a socket takes them."""
    publish_fast(port, [f"countdown.{room}.events" for room in rooms], count)


def publish_fast(port: int, subjects: list[str], count: int) -> None:
    """Publish 4 KB to each of the subjects in turn, as fast as a socket takes them."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b'CONNECT {"verbose":false}\r\n')
        payload = b"x" * 4096
        for number in range(count):
            subject = subjects[number % len(subjects)]
            connection.sendall(f"PUB {subject} {len(payload)}\r\n".encode() + payload + b"\r\n")
        connection.sendall(b"PING\r\n")
        while b"PONG" not in connection.recv(65536):
            pass
