"""The stack as strangers start it: brought up by Compose, used through its two open ports."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest

from auditor.canary.count import Terms, count
from auditor.canary.page import target_at
from protocol.frames import Hello, MessageFrame, TickFrame, Viewers
from support.ports import free_port
from support.waiting import until

from .stack import UP_SECONDS, Stack, in_files, next_frame, run, running

PASSWORDS = {
    "SCHEDULER_PASSWORD": 'pa"ss\\word $HOME #1',
    "COORDINATOR_PASSWORD": "coordinators-123",
    "FRONTEND_PASSWORD": "123456",
    "AUDITOR_PASSWORD": "auditors-456",
    "OPERATOR_PASSWORD": "größte",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for all tests here; each has a room of its own, and leaves everything running."""
    secrets = in_files(tmp_path_factory.mktemp("secrets"), PASSWORDS)
    with running(PROMETHEUS_PORT=str(free_port()), **secrets) as stack:
        yield stack


def test_every_container_is_healthy_and_none_runs_as_root(stack: Stack) -> None:
    """Two schedulers, two coordinators, and one of each of the others."""
    running = [json.loads(line) for line in stack.compose("ps", "--format", "json").splitlines()]
    assert sorted((one["Service"], one["Health"]) for one in running) == [
        ("auditor", "healthy"),
        ("coordinator", "healthy"),
        ("coordinator", "healthy"),
        ("edge", "healthy"),
        ("frontend", "healthy"),
        ("nats", "healthy"),
        ("scheduler", "healthy"),
        ("scheduler", "healthy"),
    ]
    for one in running:
        assert int(run(["docker", "exec", one["ID"], "id", "-u"])) != 0, one["Service"]


def test_every_container_has_a_memory_limit_and_its_log_an_end(stack: Stack) -> None:
    for container in json.loads(stack.shown()):
        limits = container["HostConfig"]
        assert limits["Memory"] > 0, container["Name"]
        assert limits["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}


def test_docker_shows_no_password_that_is_in_a_file(stack: Stack) -> None:
    shown = stack.shown()
    for password in PASSWORDS.values():
        assert password not in shown
        assert json.dumps(password)[1:-1] not in shown
    for password, status in ((PASSWORDS["OPERATOR_PASSWORD"], 0), ("operator", 1)):
        looked = stack.nats("--user", "operator", "--password", password, "stream", "ls")
        assert looked.returncode == status, looked.stderr


async def test_the_edge_serves_the_page_and_keeps_the_metrics_to_itself(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """The page asks for its socket at the origin that it came from."""
    async with http.get(f"{stack.origin}/r/{room}") as page:
        assert page.status == 200
        assert "/api/ws/connect" in await page.text()
    async with http.get(f"{stack.origin}/metrics") as metrics:
        assert metrics.status == 404


async def test_an_event_source_is_told_to_come_back_while_there_is_no_coordinator(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """After any status but 200 it never would, nor where its page may not read the answer."""
    address = f"{stack.origin}/api/sse/connect?room={room}"
    asked = {"Accept": "text/event-stream", "Origin": "https://stage.example"}
    stack.compose("stop", "coordinator")
    try:
        async with http.get(address, headers=asked) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert (answer.status, answer.content_type) == (200, "text/event-stream")
            assert (await answer.text()).startswith("retry: 3000\n")
        async with http.get(address) as answer:
            assert answer.status in (502, 503)
    finally:
        stack.heal()


async def test_the_edge_passes_an_event_stream_on_as_it_comes(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """What curl -N shows: an event at once, and not when a buffer is full."""
    address = f"{stack.origin}/api/sse/connect?room={room}"
    async with http.get(address) as events, http.post(stack.countdown(room), json={}) as started:
        assert started.status == 201
        lines = []
        while b"event: tick\n" not in lines:
            lines.append(await asyncio.wait_for(events.content.readline(), 5))
        assert b"event: hello\n" in lines


async def test_viewers_of_both_coordinators_count_the_same_eleven_ticks(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """Ten to zero, due a second apart, with the same place in the stream for everybody."""
    async with AsyncExitStack() as leaving:
        viewers = [
            await leaving.enter_async_context(http.ws_connect(stack.viewer(room))) for _ in range(6)
        ]
        assert len({(await next_frame(viewer, Hello)).instance for viewer in viewers}) == 2
        async with http.post(stack.countdown(room), json={}) as started:
            assert started.status == 201
        ticks = [await next_frame(viewers[0], TickFrame) for _ in range(11)]
        assert [tick.remaining for tick in ticks] == list(range(10, -1, -1))
        assert [tick.due_at - ticks[0].due_at for tick in ticks] == list(range(0, 11_000, 1000))
        for viewer in viewers[1:]:
            assert [await next_frame(viewer, TickFrame) for _ in range(11)] == ticks


async def test_a_message_of_the_nats_cli_reaches_every_viewer(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """With nothing set up but the program."""
    async with http.ws_connect(stack.viewer(room)) as viewer:
        await next_frame(viewer, Hello)
        assert stack.nats("pub", f"countdown.{room}.message", "hello").returncode == 0
        assert (await next_frame(viewer, MessageFrame)).text == "hello"


async def test_the_nats_cli_can_start_a_countdown_and_look_around(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """Requests and the list of services are for everybody, the stream is for the operator."""
    async with http.ws_connect(stack.viewer(room)) as viewer:
        await next_frame(viewer, Hello)
        terms = json.dumps({"room": room, "from": 1, "interval_ms": 100})
        assert '"started"' in stack.nats("req", "scheduler.start", terms).stdout
        assert [(await next_frame(viewer, TickFrame)).remaining for _ in range(2)] == [1, 0]
    services = stack.nats("micro", "ls").stdout
    assert "scheduler" in services
    assert "coordinator" in services
    operator = ("--user", "operator", "--password", PASSWORDS["OPERATOR_PASSWORD"], "stream")
    assert "COUNTDOWN" in stack.nats(*operator, "info", "COUNTDOWN").stdout
    seen = stack.nats(*operator, "get", "COUNTDOWN", "--last-for", f"countdown.{room}.events")
    assert '"remaining":0' in seen.stdout


async def test_the_nats_cli_cannot_forge_a_tick(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """Neither by writing one nor by having a service's reply written where the history stands."""
    async with http.ws_connect(stack.viewer(room)) as viewer:
        before = await next_frame(viewer, Hello)
    history = f"countdown.{room}.events"
    forged = stack.nats("pub", history, "{}")
    assert forged.returncode == 1
    assert "Permissions Violation" in forged.stdout + forged.stderr
    stack.nats("pub", "--reply", history, "scheduler.start", '{"from": 0}')
    stack.nats("pub", "--reply", history, "$SRV.PING", "")
    stack.nats(
        "pub", "--reply", "$JS.API.STREAM.DELETE.COUNTDOWN", "scheduler.start", '{"from": 0}'
    )
    # A round trip behind them: whatever they cause has happened.
    assert stack.nats("req", "scheduler.cancel", json.dumps({"room": room})).returncode == 0
    async with http.ws_connect(stack.viewer(room)) as viewer:
        after = await next_frame(viewer, Hello)
    assert (after.epoch, after.seq, after.state) == (before.epoch, before.seq, before.state)


async def test_a_canary_counts_through_the_edge_and_the_auditor_checks_it(stack: Stack) -> None:
    report = await count(target_at(stack.origin), Terms(interval_ms=100))
    assert report.failures == []
    [container] = stack.containers("auditor")
    look = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8090/metrics').read().decode())"
    figures = run(["docker", "exec", container, "python", "-c", look])
    found = dict(line.rsplit(" ", 1) for line in figures.splitlines() if line.startswith("tminus_"))
    violations = [found[name] for name in found if "violations_total" in name]
    assert set(violations) == {"0.0"}
    assert float(found["tminus_audit_ticks_total"]) >= 11


async def test_viewers_of_a_killed_coordinator_come_back_at_once_and_miss_nothing(
    stack: Stack, http: aiohttp.ClientSession, room: str
) -> None:
    """The edge takes them to the other one, which replays what they missed; nobody else notices."""
    counting = asyncio.Event()
    watching = [asyncio.create_task(_watch(stack, http, room, counting)) for _ in range(12)]
    try:
        await _seated(stack, http, room, len(watching))
        async with http.post(stack.countdown(room), json={"interval_ms": 300}) as started:
            assert started.status == 201
        await counting.wait()
        await asyncio.to_thread(run, ["docker", "kill", stack.containers("coordinator")[0]])
        seen = await asyncio.gather(*watching)
    finally:
        stack.heal()
    assert {len(hellos) for hellos, _ in seen} == {1, 2}
    assert all(hello.complete for hellos, _ in seen for hello in hellos[1:])
    assert len({hellos[-1].instance for hellos, _ in seen}) == 1
    for _, ticks in seen:
        assert [tick.remaining for tick in ticks] == list(range(10, -1, -1))


@pytest.mark.parametrize("service", ["scheduler", "coordinator", "frontend", "auditor"])
def test_a_service_that_is_told_to_stop_ends_well(stack: Stack, service: str) -> None:
    """Exit status 0, long before Docker loses its patience after 10 seconds."""
    container = stack.containers(service)[0]
    run(["docker", "stop", "--time", "10", container])
    try:
        status = run(["docker", "inspect", "--format", "{{.State.ExitCode}}", container])
        assert int(status) == 0
    finally:
        stack.heal()


async def test_prometheus_finds_every_replica(stack: Stack, http: aiohttp.ClientSession) -> None:
    """By their services' names, as Docker's DNS knows them."""
    services = ["prometheus", "nats-exporter"]
    profile = ["--profile", "observability"]
    stack.compose(*profile, "up", "--build", "--detach", "--wait", *services, timeout=UP_SECONDS)
    address = f"http://127.0.0.1:{stack.settings['PROMETHEUS_PORT']}/api/v1/query"

    async def are_found() -> bool:
        query = {"query": "sum by (job) (up)"}
        async with http.get(address, params=query) as answer:
            found = (await answer.json())["data"]["result"]
        up = {one["metric"]["job"]: int(one["value"][1]) for one in found}
        replicas = {"scheduler": 2, "coordinator": 2, "frontend": 1, "auditor": 1, "nats": 1}
        return up == replicas

    try:
        await until(are_found, seconds=30)
        for one in stack.containers("prometheus"):
            assert int(run(["docker", "exec", one, "id", "-u"])) != 0
    finally:
        stack.compose(*profile, "rm", "--stop", "--force", *services)


async def _watch(
    stack: Stack, http: aiohttp.ClientSession, room: str, counting: asyncio.Event
) -> tuple[list[Hello], list[TickFrame]]:
    """A viewer until zero, who comes back whenever the connection is gone; sets `counting` at 7."""
    hellos: list[Hello] = []
    ticks: list[TickFrame] = []
    while not ticks or ticks[-1].remaining > 0:
        address = stack.viewer(room)
        if ticks:
            address = stack.viewer(room, epoch=hellos[0].epoch, after=ticks[-1].seq)
        async with http.ws_connect(address) as viewer:
            hellos.append(await next_frame(viewer, Hello))
            with suppress(aiohttp.WSMessageTypeError):  # closed
                while not ticks or ticks[-1].remaining > 0:
                    ticks.append(await next_frame(viewer, TickFrame))
                    if ticks[-1].remaining == 7:
                        counting.set()
    return hellos, ticks


async def _seated(stack: Stack, http: aiohttp.ClientSession, room: str, count: int) -> None:
    """Wait until the room has `count` viewers, as one more viewer is told."""
    async with asyncio.timeout(20), http.ws_connect(stack.viewer(room)) as viewer:
        while (await next_frame(viewer, Viewers)).count <= count:
            pass
