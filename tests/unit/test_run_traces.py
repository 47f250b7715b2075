"""Which trace an event of a run belongs to: a minute of ticks to that of its start."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from bus.tracing import Tracing
from protocol import changes, rules
from protocol.events import Known, Started, Trace
from protocol.requests import Cancel, Hold, Start
from protocol.rules import Countdown
from scheduler.appender import Conflict
from scheduler.logged import trace_of as logged
from scheduler.run_traces import RunTraces
from support.runs import NOW

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = 0x4BF92F3577B34DA6A3CE929D0E0E4736


class Traces:
    """A scheduler's traces, and its spans as they end."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._tracer = provider.get_tracer("test")
        self.runs = RunTraces(Tracing(self._tracer))
        self.headers: list[dict[str, str]] = []

    @contextmanager
    def request(self) -> Iterator[int]:
        """Within a request; gives its trace."""
        with self._tracer.start_as_current_span("request") as span:
            yield span.get_span_context().trace_id

    async def append(self, event: Known, expected: Countdown) -> ReadableSpan | None:
        """The span of the append, if it has one."""
        await self.runs.append(event, expected, self._store)
        spans = [span for span in self._exporter.get_finished_spans() if "publish" in span.name]
        return spans[-1] if spans else None

    async def _store(self, headers: dict[str, str]) -> int:
        self.headers.append(headers)
        return 7


def run(**terms: int) -> Countdown:
    """A run that was started at NOW within a trace."""
    event = rules.start(Countdown(), Start(**terms), NOW, "run-1", "scheduler-1")  # type: ignore[arg-type]
    traces = Traces()
    with traces.request():
        event = traces.runs.started(event, NOW)
    assert event.trace is not None
    trace = Trace(parent=PARENT, until=event.trace.until)
    return rules.apply(Countdown(), 1, rules.following(Started, event, trace=trace))


def tick(countdown: Countdown, remaining: int) -> tuple[Known, Countdown]:
    """The tick, and the countdown before it."""
    now = NOW
    while True:
        now = rules.next_due(countdown) or now
        event = rules.decide(countdown, now, "scheduler-1")
        assert event is not None
        if event.remaining == remaining:
            return event, countdown
        countdown = rules.apply(countdown, countdown.seq + 1, event)


def trace_of(span: ReadableSpan | None) -> int:
    assert span is not None
    assert span.context is not None
    return int(span.context.trace_id)


@pytest.mark.parametrize(("interval_ms", "last"), [(1000, 60), (100, 60), (60_000, 1), (2000, 30)])
async def test_ticks_of_the_first_minute_and_sixty_at_most_belong_to_the_start(
    interval_ms: int, last: int
) -> None:
    countdown = run(from_=100, interval_ms=interval_ms)
    traces = Traces()
    span = await traces.append(*tick(countdown, 100 - last))
    assert trace_of(span) == TRACE
    assert "4bf92f" in traces.headers[-1]["traceparent"]
    later = await traces.append(*tick(countdown, 99 - last))
    assert trace_of(later) != TRACE
    assert later is not None
    assert [link.context.trace_id for link in later.links] == [TRACE]
    assert later.parent is None


async def test_a_run_of_tomorrow_has_no_tick_in_the_trace_of_its_start() -> None:
    countdown = run(from_=10, starts_at=NOW + 86_400_000)
    assert trace_of(await Traces().append(*tick(countdown, 10))) != TRACE


async def test_a_change_belongs_to_its_own_request_and_is_linked_to_the_start() -> None:
    countdown, traces = run(from_=10), Traces()
    held = changes.hold(countdown, Hold(), NOW, "hold-1", "scheduler-1")
    with traces.request() as requested:
        span = await traces.append(held, countdown)
    assert trace_of(span) == requested
    assert span is not None
    assert [link.context.trace_id for link in span.links] == [TRACE]


async def test_what_is_due_belongs_to_its_run_also_if_a_change_of_it_is_under_way() -> None:
    traces = Traces()
    with traces.request():
        assert trace_of(await traces.append(*tick(run(from_=10), 9))) == TRACE


async def test_an_append_that_came_second_is_no_error() -> None:
    async def conflict(_: dict[str, str]) -> int:
        raise Conflict

    traces = Traces()
    event, before = tick(run(from_=10), 9)
    with pytest.raises(Conflict):
        await traces.runs.append(event, before, conflict)
    span = await traces.append(event, before)
    assert span is not None
    failed = traces._exporter.get_finished_spans()[0]
    assert failed.attributes is not None
    assert failed.attributes["error.type"] == "Conflict"
    assert failed.status.status_code is trace.StatusCode.UNSET


async def test_a_run_that_nobody_looks_at_has_no_spans_and_no_headers() -> None:
    event = rules.start(Countdown(), Start(), NOW, "run-1", "scheduler-1")
    unsampled = Traces(ALWAYS_OFF)
    with unsampled.request():
        assert unsampled.runs.started(event, NOW) == event
        assert await unsampled.append(event, Countdown()) is None
    countdown = rules.apply(Countdown(), 1, event)
    traces = Traces()
    assert await traces.append(*tick(countdown, 9)) is None
    cancelled = rules.cancel(run(from_=10), Cancel(), "scheduler-1")
    assert await traces.append(cancelled, run(from_=10)) is None  # nor a cancel without a trace
    assert unsampled.headers + traces.headers == [{}, {}, {}]


async def test_a_malformed_context_in_an_event_is_none() -> None:
    countdown = run(from_=10)
    assert isinstance(countdown.last, Known)
    event = rules.following(Started, countdown.last, trace=Trace(parent="x-y", until=NOW + 60_000))
    assert await Traces().append(*tick(rules.apply(Countdown(), 1, event), 9)) is None


def test_a_line_of_the_log_about_a_run_names_the_trace_of_its_start() -> None:
    ids = {"trace_id": f"{TRACE:032x}", "span_id": "00f067aa0ba902b7"}
    assert logged(run(from_=10).last) == ids
    assert logged(rules.start(Countdown(), Start(), NOW, "run-1", "scheduler-1")) == {}
    assert logged(None) == {}
