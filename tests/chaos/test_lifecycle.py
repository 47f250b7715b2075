"""How services start and end, and when they report that they are ready."""

import asyncio
import resource
import select
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from runtime.listening import BACKLOG
from support.process import AsyncProcess
from support.skip import skip

from .stack import Stack, discard, running
from .viewers import until, watching

SOMAXCONN = Path("/proc/sys/net/core/somaxconn")
BROKEN = Path(__file__).parent / "broken.py"
LOOPS = [
    ("scheduler", "scheduler.deadlines:Deadlines.run"),
    ("scheduler", "scheduler.keeper:Keeper.run"),
    ("scheduler", "bus.follower:Follower.run"),
    ("coordinator", "bus.feed:Feed.run"),
    ("coordinator", "coordinator.connections:Connections.sweep"),
    ("coordinator", "coordinator.hub:Hub.run"),
    ("coordinator", "coordinator.presence:Peers.publish"),
    ("frontend", "bus.connection:Bus.run"),
]
"""The background loops of each service and of its connection to the bus."""


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """One of each service."""
    async with running(tmp_path, schedulers=1, coordinators=1, frontends=1) as stack:
        yield stack


async def test_a_background_task_that_dies_takes_its_service_down(stack: Stack) -> None:
    """With a traceback and exit status 1, so that a supervisor starts it again."""
    for number, (kind, loop) in enumerate(LOOPS, start=2):
        command = [sys.executable, str(BROKEN), loop, kind]
        await stack.add(f"{kind}-{number}", command=command)
    for number, (kind, loop) in enumerate(LOOPS, start=2):
        broken = stack.services[f"{kind}-{number}"].process
        assert await broken.ended() == 1, loop
        assert "Traceback" in broken.log()
        assert "this loop was broken on purpose" in broken.log()


async def test_a_thousand_viewers_get_a_bye_before_the_coordinator_ends(stack: Stack) -> None:
    """Within ten seconds, with status 0, and a reconnection window that suits their number."""
    [coordinator] = stack.coordinators
    async with watching(stack, ["main"], 1000, Random(1)) as viewers:
        await asyncio.wait_for(coordinator.process.stop(), 10.0)
        assert coordinator.process.status == 0
        await until(lambda: not any(viewer.is_open for viewer in viewers), 5.0)
        assert {viewer.close_code for viewer in viewers} == {1001}
        [window_ms] = {window for viewer in viewers for window in viewer.byes}
        assert all(viewer.byes for viewer in viewers)
        # At 2,000 handshakes a second or so, a thousand take half a second at the least.
        assert 500 <= window_ms <= 5000


async def test_a_few_viewers_may_reconnect_sooner(stack: Stack) -> None:
    """The reconnection window is short if few viewers share it."""
    [coordinator] = stack.coordinators
    async with watching(stack, ["main"], 3, Random(1)) as viewers:
        await coordinator.process.stop()
        await until(lambda: not any(viewer.is_open for viewer in viewers), 5.0)
        assert all(window < 600 for viewer in viewers for window in viewer.byes)


async def test_a_thawed_scheduler_carries_out_no_stale_request(
    tmp_path: Path,
) -> None:
    """Its copies of old requests must not end runs that were started since."""
    async with running(tmp_path, coordinators=1, frontends=1) as stack:
        frontend = stack.services["frontend-1"]

        async def ask(method: str, room: str) -> tuple[int, str]:
            path = f"/api/rooms/{room}/countdown"
            terms = {"from": 100} if method == "POST" else None
            async with stack.http.request(method, frontend.url(path), json=terms) as answer:
                return answer.status, (await answer.json()).get("run", "")

        async def restart(room: str) -> str:
            """Cancel the run and start another; gives the new run, or nothing if either failed."""
            if (await ask("DELETE", room))[0] != 200:
                return ""
            status, run = await ask("POST", room)
            return run if status == 201 else ""

        rooms = [f"room-{number}" for number in range(24)]
        for room in rooms:
            assert (await ask("POST", room))[0] == 201
        sleeper = stack.schedulers[0].process
        sleeper.freeze()
        runs = await asyncio.gather(*map(restart, rooms))
        assert any(runs)
        sleeper.thaw()
        async with asyncio.timeout(5.0):
            while "a request came too late" not in sleeper.log():
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        for room, run in zip(rooms, runs, strict=True):
            async with stack.http.get(frontend.url(f"/api/rooms/{room}")) as answer:
                state = (await answer.json())["state"]
            if run:
                assert (state["run"], state["status"]) == (run, "running"), room


async def test_services_are_ready_only_while_the_bus_is_there(stack: Stack) -> None:
    """All three services notice its loss and its return, and report why they are not ready."""
    await stack.nats.kill()
    for service in stack.services.values():
        async with asyncio.timeout(10.0):
            while (reason := await stack.why_not_ready(service)) is None:
                await asyncio.sleep(0.02)
        assert "NATS" in reason
    await stack.start_nats()
    assert await stack.ready() < 10.0
    assert not stack.exits()


async def test_a_coordinator_reads_a_room_s_past_when_its_first_viewer_comes(stack: Stack) -> None:
    """However much the stream holds of other rooms, a coordinator that starts reads none of it."""
    async with stack.client("operator") as client:
        jetstream = client.jetstream()
        for number in range(20_000):
            await client.publish(f"countdown.room-{number % 100}.message", b"%d" % number)
            if number % 100 == 99:  # the stream accepts no more at once
                await jetstream.publish("countdown.last.message", b"flush")
        held = (await jetstream.stream_info("COUNTDOWN")).state.messages
        last = await jetstream.get_last_msg("COUNTDOWN", "countdown.room-7.message")
    late = await stack.add("coordinator-2")
    await stack.ready(late)
    assert held > 10_000
    assert await stack.metric(late, "tminus_feed_reads_total") == 0
    async with stack.http.ws_connect(late.url("/ws/connect?room=room-7")) as viewer:
        hello = await viewer.receive_json()
        assert (hello["type"], hello["seq"], hello["replayed"]) == ("hello", last.seq, 64)
        frames = [await viewer.receive_json() for _ in range(64)]
    assert frames[-1]["text"].encode() == last.data
    assert await stack.metric(late, "tminus_feed_rooms") == 1


async def test_services_wait_for_a_bus_that_is_not_there_yet(tmp_path: Path) -> None:
    """Started in any order, they work as soon as it is there."""
    async with running(tmp_path, schedulers=0, coordinators=0) as stack:
        await stack.nats.stop()
        for name in ("scheduler-1", "coordinator-1", "frontend-1"):
            await stack.add(name)
        for service in stack.services.values():
            async with asyncio.timeout(10.0):
                while "NATS" not in (await stack.why_not_ready(service) or ""):
                    await asyncio.sleep(0.02)
        await stack.start_nats()
        assert await stack.ready() < 10.0
        assert all(
            one.process.log().count("no connection to NATS") < 5 for one in stack.services.values()
        )
        await discard(stack)


async def test_a_crowd_that_connects_at_once_is_accepted_at_once(stack: Stack) -> None:
    """It exceeds the backlog of one listening socket, which would cost the rest a second."""
    if not SOMAXCONN.exists():
        pytest.skip("the backlog is known on Linux only")
    count = min(BACKLOG, int(SOMAXCONN.read_text())) * 3 // 2
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 100:
        skip(f"{count} sockets, and {hard} files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    [coordinator] = stack.coordinators
    coordinator.process.freeze()  # so that all of them have to wait
    crowd = [socket.socket() for _ in range(count)]
    try:
        for one in crowd:
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(("127.0.0.1", coordinator.port))
        await asyncio.sleep(0.1)
        # A writable socket is one that is connected.
        poll = select.poll()
        for one in crowd:
            poll.register(one, select.POLLOUT)
        assert len(poll.poll(0)) == count
    finally:
        for one in crowd:
            one.close()
        coordinator.process.thaw()


async def test_a_port_in_use_by_another_process_is_not_shared(stack: Stack) -> None:
    """Two coordinators on one port by mistake would each get half of the viewers."""
    [coordinator] = stack.coordinators
    environ = coordinator.process.env | {"PORT": str(coordinator.port)}
    second = AsyncProcess("second", coordinator.process.command, environ, stack.folder)
    await second.start()
    try:
        assert await second.ended() == 1
    finally:
        await second.discard()
    assert f"PORT={coordinator.port}: Address already in use" in second.log()
