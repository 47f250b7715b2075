"""A click is one trace, from the form to the fan-out, whoever dies on the way."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib.metadata import version

import aiohttp
import nats
import pytest
from nats.aio.client import Client

from support.collector import Collector, Span, collecting
from support.nats_server import NatsServer
from support.served import Serving
from support.traced import Stack, post
from support.viewer import Viewer, is_last_tick

STRANGE_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
STRANGE = f"00-{STRANGE_TRACE}-00f067aa0ba902b7-01"
"""What a stranger says that his trace is."""


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as collector:
        yield collector


@pytest.fixture
async def stack(
    deployed_nats_server: NatsServer, serving: Serving, collector: Collector
) -> AsyncIterator[Stack]:
    settings = collector.settings | {"log_format": "json"}
    stack = Stack(deployed_nats_server.url, serving, settings)
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
    await viewer.socket.send_json({"type": "ping", "id": 1, "shown": {"number": 0, "at": 0}})
    await collector.until(lambda: {0} <= {number for number, _ in of_tick(collector, PUBLISH)})
    zero = dict(of_tick(collector, PUBLISH))[0]
    await collector.until(
        lambda: any(
            collector.ancestors(span)[1:3] == [PROCESS, PUBLISH]
            and collector.by_id(span.parent).parent == zero.id  # type: ignore[union-attr]
            for span in collector.of(FAN_OUT)
        )
    )

    await collector.until(lambda: bool(collector.of("coordinator shown")))

    (click,) = collector.of(FORM)
    assert (click.kind, click.parent) == ("SERVER", "")
    assert (click.instance, click.version) == ("frontend-1", version("tminus-frontend"))
    (shown,) = collector.of("coordinator shown")
    assert collector.ancestors(shown)[1:] == [PROCESS, PUBLISH, *CLICK, FORM]
    assert collector.by_id(shown.parent).parent == zero.id  # type: ignore[union-attr]
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
    log = stack.processes[answered.instance].log()
    (line,) = [it for it in map(json.loads, log.splitlines()) if it["event"] == "start"]
    assert (line["trace_id"], line["span_id"]) == (answered.trace, answered.id)
    assert (line["room"], line["run"]) == ("main", last["run"])
    assert [ticked for ticked in viewer.ticks if ticked != 6] == [8, 7, 5, 4, 3, 2, 1, 0]


async def test_strangers_choose_no_trace_neither_over_http_nor_on_the_bus(
    stack: Stack, collector: Collector, people: Client
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
