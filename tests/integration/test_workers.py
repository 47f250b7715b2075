"""Workers: several processes of a service that share one port, and the parent that keeps them."""

import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest

from support.nats_server import NatsServer
from support.ports import free_ports
from support.probe import asked
from support.served import Serving
from support.viewer import Viewer
from support.waiting import WAIT_SECONDS, until
from support.workers import Workers, ask, asking

VIEWERS = 40
IMPATIENT = (
    "import runtime.workers as workers; "
    "workers.SILENT_SECONDS = 1.5; workers.REPLACE_SECONDS = 2.0; "
    "import coordinator.__main__; coordinator.__main__.main()"
)
"""A coordinator whose parent soon loses patience."""
BUSY = """
import asyncio
import runtime.health as health
import runtime.workers as workers

workers.ASK_SECONDS, workers.SILENT_SECONDS_AT_START = 0.1, 5.0
readyz = health._readyz

async def late(request):
    await asyncio.sleep(1)
    return await readyz(request)

health._readyz = late
import coordinator.__main__
coordinator.__main__.main()
"""
"""A coordinator that answers its parent late, as on a core that is overloaded."""

Start = Callable[..., AbstractAsyncContextManager[Workers]]


@pytest.fixture
def working(nats_server: NatsServer, serving: Serving) -> Start:
    """Start a coordinator with two workers; in the end all stop by SIGTERM, with status 0."""

    @asynccontextmanager
    async def start(program: str = "") -> AsyncIterator[Workers]:
        port, metrics_port = free_ports(2)
        settings = {"port": port, "metrics_port": metrics_port, "workers": 2, "instance": "shared"}
        async with serving("coordinator", program, **settings, nats_url=nats_server.url) as process:
            workers = Workers(process, port, metrics_port)
            await workers.are_ready(2)
            yield workers
            if process.is_running:
                assert await process.stop() == 0
        assert "Traceback" not in process.log()

    return start


@asynccontextmanager
async def crowd(workers: Workers) -> AsyncIterator[list[Viewer]]:
    """Viewers, each with its hello."""
    async with AsyncExitStack() as leaving:
        viewers = [await leaving.enter_async_context(workers.viewer()) for _ in range(VIEWERS)]
        for viewer in viewers:
            assert (await viewer.frame())["type"] == "hello"
        yield viewers


async def all_counted(workers: Workers) -> dict[str, float]:
    """Wait until the metrics of the workers have every viewer; gives their numbers."""
    found: dict[str, float] = {}

    async def are_all() -> bool:
        found.update(await workers.by_worker("tminus_viewers"))
        return sum(found.values()) == VIEWERS

    await until(are_all)
    return found


async def test_counts_and_metrics_are_those_of_all_workers(working: Start) -> None:
    async with working() as workers, crowd(workers) as viewers:
        await viewers[-1].until(lambda frame: frame.get("count") == VIEWERS)
        await viewers[0].until(lambda frame: frame.get("count") == VIEWERS)
        by_worker = await all_counted(workers)
        assert by_worker.keys() == {"1", "2"}
        assert all(by_worker.values()), by_worker
        samples = await workers.metrics()
        assert samples["tminus_workers"] == 2
        for path in ("/healthz", "/readyz"):
            assert (await asked(workers.metrics_port, path))[0] == 200
        assert "tminus_viewers" not in samples  # the parent has none
        for worker in ("1", "2"):
            names = [name for name in samples if f'worker="{worker}"' in name]
            [info] = [name for name in names if name.startswith("tminus_process_info")]
            assert f'instance="shared-{worker}"' in info


async def test_a_worker_that_is_killed_is_replaced_while_the_other_answers(working: Start) -> None:
    async with working() as workers, crowd(workers):
        before = await all_counted(workers)
        victim = workers.process.children()[0]
        async with asking(workers.port) as answers:
            os.kill(victim, signal.SIGKILL)
            await workers.log_has("a worker failed")
            # What the victim had accepted is gone. Nobody else notices while there is only one.
            lost = answers.total() - answers["HTTP/1.1 200 OK"]
            await workers.are_ready(2)
        assert answers.total() - answers["HTTP/1.1 200 OK"] == lost <= 10
        assert (await workers.metrics())['tminus_workers_failed_total{reason="ended"}'] == 1
        assert victim not in workers.process.children()
        assert len(workers.process.children()) == 2
        after = await workers.by_worker("tminus_viewers")
        assert sorted(after.values())[0] == 0
        assert sorted(after.values())[1] in before.values()  # the other worker's have stayed


async def test_a_worker_that_hangs_is_replaced(working: Start) -> None:
    async with working(IMPATIENT) as workers:
        victim = workers.process.children()[0]
        os.kill(victim, signal.SIGSTOP)
        await workers.log_has("reason=hung")
        assert victim not in workers.process.children()
        await workers.are_ready(2)
        assert (await workers.metrics())['tminus_workers_failed_total{reason="hung"}'] == 1


async def test_a_worker_that_is_busy_is_left_alone(working: Start) -> None:
    async with working(BUSY) as workers:
        assert "a worker failed" not in workers.process.log()


async def test_workers_are_replaced_and_nobody_is_refused(working: Start) -> None:
    async with working() as workers, crowd(workers) as viewers:
        old = workers.process.children()
        async with asking(workers.port) as answers:
            workers.process.signal(signal.SIGHUP)
            await workers.log_has("instance=shared-4 ")  # the last of the new ones
            for viewer in viewers:
                bye = await viewer.until(lambda frame: frame["type"] == "bye")
                assert bye["reconnect_ms"] >= 500
                assert await viewer.closed() == 1001
            await workers.log_has("replaced the workers")
        assert answers.keys() == {"HTTP/1.1 200 OK"}, answers
        assert answers.total() > 100
        assert not set(old) & set(workers.process.children())
        assert (await workers.by_worker("tminus_viewers")).keys() == {"3", "4"}
        async with crowd(workers):
            pass


async def test_workers_stay_if_new_ones_do_not_get_ready(
    working: Start, nats_server: NatsServer
) -> None:
    async with working(IMPATIENT) as workers, crowd(workers):
        old = workers.process.children()
        nats_server.kill()
        await workers.are_ready(0)
        workers.process.signal(signal.SIGHUP)
        await workers.log_has("kept the workers")
        assert workers.process.children() == old
        await all_counted(workers)
        assert await ask(workers.port) == "HTTP/1.1 200 OK"


async def test_workers_end_with_a_parent_that_is_killed(working: Start) -> None:
    async with working() as workers, crowd(workers) as viewers:
        await workers.process.kill()
        for viewer in viewers:
            await viewer.until(lambda frame: frame["type"] == "bye")

        async def is_free() -> bool:
            return await ask(workers.port) == "ConnectionRefusedError"

        await until(is_free)


async def test_a_port_of_the_parent_that_is_taken_is_reported_in_one_line(serving: Serving) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, [metrics_port] = taken.getsockname()[1], free_ports(1)
        async with serving("frontend", port=port, metrics_port=metrics_port, workers=2) as process:
            assert await process.ended(WAIT_SECONDS) == 1
    assert f"PORT={port}: Address already in use" in process.log()
    assert "Traceback" not in process.log()
