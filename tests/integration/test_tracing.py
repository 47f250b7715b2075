"""A click is one trace, from the form to the fan-out, whoever dies on the way."""

import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import aiohttp
import nats
import pytest
from nats.aio.client import Client

from support.collector import Collector, Span, collecting
from support.nats_server import NatsServer
from support.ports import free_port
from support.process import AsyncProcess
from support.served import Serving
from support.viewer import Viewer, is_last_tick
from support.waiting import until

STRANGE_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
STRANGE = f"00-{STRANGE_TRACE}-00f067aa0ba902b7-01"
"""What a stranger says that his trace is."""


class Stack:
    """Two schedulers, a coordinator and a frontend, as processes on a bus as it is deployed."""

    def __init__(
        self,
        nats_url: str,
        serving: Serving,
        settings: Mapping[str, str | int],
        program: str = "",
    ) -> None:
        self._program = program
        self.processes: dict[str, AsyncProcess] = {}
        self.ports: dict[str, int] = {}
        self._nats_url = nats_url
        self._serving = serving
        self._settings = settings

    def url(self, name: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    async def start(self, leaving: AsyncExitStack) -> None:
        for name in ("scheduler-1", "scheduler-2", "coordinator-1", "frontend-1"):
            port = self.ports[name] = free_port()
            settings = {"nats_url": self._nats_url, "instance": name, "port": port}
            service = name.split("-")[0]
            serving = self._serving(
                service, self._program.format(service), **self._settings, **settings
            )
            self.processes[name] = await leaving.enter_async_context(serving)
        for name in self.ports:
            await until(lambda name=name: self._is_ready(name))  # type: ignore[misc]

    async def _is_ready(self, name: str) -> bool:
        return await status(self.url(name, "/readyz")) == 200


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as collector:
        yield collector


@pytest.fixture
async def stack(
    deployed_nats_server: NatsServer, serving: Serving, collector: Collector
) -> AsyncIterator[Stack]:
    stack = Stack(deployed_nats_server.url, serving, collector.settings)
    async with AsyncExitStack() as leaving:
        await stack.start(leaving)
        yield stack


@pytest.fixture
async def people(deployed_nats_server: NatsServer) -> AsyncIterator[Client]:
    """Anybody's client of the bus."""
    client = await nats.connect(deployed_nats_server.url)
    yield client
    await client.close()


@pytest.fixture
async def viewer(stack: Stack) -> AsyncIterator[Viewer]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(stack.url("coordinator-1", "/ws/connect")) as socket,
    ):
        viewer = Viewer(socket)
        await viewer.frame()
        yield viewer


async def post(
    url: str, fields: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=fields or {}, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status


def of_tick(collector: Collector, shown: str) -> list[tuple[int, Span]]:
    """The spans of ticks that a service has stored."""
    return [
        (int(span.attributes["tminus.remaining"]), span)
        for span in collector.of(shown)
        if span.attributes.get("tminus.event") == "tick" and "error.type" not in span.attributes
    ]


EIGHT = {"from": "8", "interval_ms": "250"}
PUBLISH = "scheduler publish countdown.{room}.events"
PROCESS = "coordinator process countdown.{room}.events"
FAN_OUT = "coordinator fan out"
CLICK = ["scheduler process scheduler.start", "frontend request scheduler.start"]
FORM = "frontend POST /r/{room}/start"


async def test_a_click_is_one_trace_also_if_its_scheduler_is_killed_in_mid_run(
    stack: Stack, viewer: Viewer, collector: Collector
) -> None:
    assert await post(stack.url("frontend-1", "/r/main/start"), EIGHT) == 303
    frame = await viewer.until(lambda frame: frame.get("remaining") == 6)
    first = frame["by"]
    await collector.until(lambda: len(of_tick(collector, PUBLISH)) >= 2)
    await stack.processes[first].kill()
    last = await viewer.until(is_last_tick)
    assert last["by"] != first
    await collector.until(lambda: {0} <= {number for number, _ in of_tick(collector, PUBLISH)})
    zero = dict(of_tick(collector, PUBLISH))[0]
    await collector.until(
        lambda: any(
            collector.ancestors(span)[1:3] == [PROCESS, PUBLISH]
            and collector.by_id(span.parent).parent == zero.id  # type: ignore[union-attr]
            for span in collector.of(FAN_OUT)
        )
    )

    (click,) = collector.of(FORM)
    assert (click.kind, click.parent) == ("SERVER", "")
    ticks = of_tick(collector, PUBLISH)
    assert {number for number, _ in ticks} >= {8, 7, 5, 4, 3, 2, 1, 0}
    assert {span.instance for _, span in ticks} == {"scheduler-1", "scheduler-2"}
    for number, span in ticks:
        assert span.trace == click.trace, number
        assert (span.kind, span.is_error) == ("PRODUCER", False)
        assert collector.ancestors(span) == [PUBLISH, *CLICK, FORM]
        (processed,) = [one for one in collector.of(PROCESS) if one.parent == span.id]
        assert (processed.trace, processed.kind) == (click.trace, "CONSUMER")
        assert (
            processed.attributes["messaging.message.id"] == span.attributes["messaging.message.id"]
        )
        assert processed.attributes["messaging.system"] == "nats"
        assert processed.attributes["messaging.destination.name"] == "countdown.main.events"
    for processed in collector.of(PROCESS):
        written = [
            span
            for span in collector.of(FAN_OUT)
            if span.parent == processed.id or (processed.trace, processed.id) in span.links
        ]
        assert len(written) == 1
        assert written[0].attributes["tminus.viewers"] == 1
    (waited,) = collector.of("frontend wait for a coordinator")
    assert waited.parent == click.id
    assert not collector.of("frontend request coordinator.room")  # up to fifty of them
    (asked,) = collector.of(CLICK[1])
    (answered,) = collector.of(CLICK[0])
    assert (asked.kind, answered.kind) == ("CLIENT", "SERVER")
    assert [ticked for ticked in viewer.ticks if ticked != 6] == [8, 7, 5, 4, 3, 2, 1, 0]


async def test_the_lines_of_the_log_name_the_room_the_run_and_the_trace(
    deployed_nats_server: NatsServer, serving: Serving, collector: Collector
) -> None:
    settings = collector.settings | {"log_format": "json"}
    stack = Stack(deployed_nats_server.url, serving, settings)
    async with AsyncExitStack() as leaving:
        await stack.start(leaving)
        assert await post(stack.url("frontend-1", "/r/main/start")) == 303
        await collector.until(lambda: bool(collector.of(CLICK[0])))
        log = stack.processes["scheduler-1"].log()
    (line,) = [it for it in map(json.loads, log.splitlines()) if it["event"] == "start"]
    (answered,) = collector.of(CLICK[0])
    assert (line["trace_id"], line["span_id"]) == (answered.trace, answered.id)
    assert (line["room"], len(line["run"])) == ("main", 32)


async def test_strangers_choose_no_trace_neither_over_http_nor_on_the_bus(
    stack: Stack, collector: Collector, deployed_nats_server: NatsServer, people: Client
) -> None:
    form = stack.url("frontend-1", "/r/main/start?link=secret")
    assert await post(form, headers={"traceparent": STRANGE, "tracestate": "a=1"}) == 303
    inbox = people.new_inbox()
    waiting = await people.subscribe(inbox, max_msgs=1)
    await people.publish("scheduler.start", b'{"room":"quiz"}', inbox, {"traceparent": STRANGE})
    assert (await waiting.next_msg(5)).data
    await collector.until(
        lambda: (
            bool(collector.of(FORM)) and len(collector.of("scheduler process scheduler.start")) == 2
        )
    )
    (click,) = collector.of(FORM)
    (asked,) = [
        span for span in collector.of("scheduler process scheduler.start") if not span.parent
    ]
    for span in (click, asked):
        assert [trace for trace, _ in span.links] == [STRANGE_TRACE]
    assert STRANGE_TRACE not in {span.trace for span in collector.spans}
    assert "secret" not in str(collector.spans)


NAMING = """
import atexit, sys
def tell():
    print(*(name for name in sys.modules if "opentelemetry" in name), "were all", file=sys.stderr)
atexit.register(tell)
from {}.__main__ import main
main()
"""
"""A service that tells in the end what it has imported of OpenTelemetry."""


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_SERVICE_NAME": "tminus"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
    ],
)
async def test_without_an_exporter_nothing_is_imported_and_no_header_is_stored(
    deployed_nats_server: NatsServer,
    serving: Serving,
    operator: Client,
    settings: dict[str, str],
) -> None:
    stack = Stack(deployed_nats_server.url, serving, settings, NAMING)
    async with AsyncExitStack() as leaving:
        await stack.start(leaving)
        terms = {"from": "1", "interval_ms": "100"}
        assert await post(stack.url("frontend-1", "/r/main/start"), terms) == 303
        jetstream = operator.jetstream()

        async def is_over() -> bool:
            return (await jetstream.stream_info("COUNTDOWN")).state.messages == 3

        await until(is_over)
        entries = [await jetstream.get_msg("COUNTDOWN", seq) for seq in (1, 2, 3)]
        for process in stack.processes.values():
            assert await process.stop() == 0
            assert process.log().splitlines()[-1] == "were all"
    for entry in entries:
        assert list(entry.headers or {}) == ["Nats-Expected-Last-Subject-Sequence"]
        assert "trace" not in json.loads(entry.data or b"")


@pytest.mark.parametrize("backlog", [None, 8], ids=["away", "hanging"])
async def test_a_collector_that_is_away_or_hangs_delays_no_request_and_no_end(
    serving: Serving, backlog: int | None
) -> None:
    with socket.socket() as collector:
        collector.bind(("127.0.0.1", 0))
        if backlog is not None:
            collector.listen(backlog)
        port, address = free_port(), collector.getsockname()
        endpoint = f"http://127.0.0.1:{address[1]}"
        settings = {"otel_exporter_otlp_endpoint": endpoint, "otel_bsp_schedule_delay": 1}
        async with serving("frontend", port=port, **settings) as process:
            url = f"http://127.0.0.1:{port}"

            async def is_alive() -> bool:
                return await status(f"{url}/healthz") == 200

            await until(is_alive)
            for _ in range(100):
                assert await status(f"{url}/api/time") == 200
            began = time.monotonic()
            assert await process.stop() == 0
            assert time.monotonic() - began < 8
            assert process.log().count("traces are not exported") <= 2
            assert "Traceback" not in process.log()


async def status(url: str) -> int:
    """The status of the answer; 0 where nothing listens."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status
    except aiohttp.ClientConnectionError:
        return 0
