"""The stack with deploy/cluster.yml: the stream on three servers, any one of which may die."""

import re
from collections.abc import Iterator

import aiohttp
import pytest

from protocol.frames import Hello, TickFrame

from .stack import Stack, in_files, next_frame, run, running

PASSWORD = "between-servers-123"
SERVERS = {"nats-1": "nats", "nats-2": "nats-2", "nats-3": "nats-3"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    secret = in_files(tmp_path_factory.mktemp("secrets"), {"CLUSTER_PASSWORD": PASSWORD})
    with running("deploy/cluster.yml", **secret) as stack:
        yield stack


def test_docker_shows_no_password_of_the_cluster_that_is_in_a_file(stack: Stack) -> None:
    assert PASSWORD not in stack.shown()


async def test_a_run_whose_leader_is_killed_counts_every_number_once(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """The ticks that are due while the others elect come late, and all at once."""
    async with http.ws_connect(stack.viewer(room)) as viewer:
        await next_frame(viewer, Hello)
        async with http.post(stack.countdown(room), json={}) as started:
            assert started.status == 201
        ticks = [await next_frame(viewer, TickFrame) for _ in range(3)]
        described = stack.nats(
            *("--user", "operator", "--password", "operator"), "stream", "info", "COUNTDOWN"
        ).stdout
        assert re.search(r"Replicas: 3\b", described)
        [leader] = re.findall(r"Leader: (nats-\d)", described)
        run(["docker", "kill", *stack.containers(SERVERS[leader])])
        ticks += [await next_frame(viewer, TickFrame) for _ in range(8)]
    assert [tick.remaining for tick in ticks] == list(range(10, -1, -1))
    assert all(tick.emitted - tick.due_at >= 0 for tick in ticks)
