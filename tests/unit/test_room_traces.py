"""When pages say that they show a number: a span each, and no more than anybody may cause."""

import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bus.tracing import Tracing
from coordinator import room_traces
from coordinator.room_traces import RoomTraces
from protocol.events import Tick
from protocol.frames import Ping, Shown
from support.runs import NOW, count_down, started


class Traces:
    """A room's traces, and its spans as they end."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._tracer = provider.get_tracer("test")
        self.room = RoomTraces(Tracing(self._tracer), "main")

    def deliver(self, seq: int, event: Tick) -> int:
        """Deliver an entry within a span; gives that span's id."""
        with self._tracer.start_as_current_span("process") as span:
            self.room.add(seq, event)
        return int(span.get_span_context().span_id)

    def report(self, number: int, at: float = 0.0) -> None:
        self.room.on_ping(Ping(id=0, error_ms=1.5, shown=Shown(number=number, at=at)))

    @property
    def shown(self) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == "shown"]


@pytest.fixture
def ticks() -> list[Tick]:
    return count_down(started(from_=10), NOW + 60_000)[1]


def test_a_report_is_a_span_from_the_delivery_until_the_number_was_shown(ticks: list[Tick]) -> None:
    traces = Traces()
    ten, _nine = traces.deliver(2, ticks[0]), traces.deliver(3, ticks[1])
    traces.report(10, at=time.time() * 1000)
    (span,) = traces.shown
    assert span.parent is not None
    assert span.parent.span_id == ten
    assert span.attributes is not None
    assert span.attributes["tminus.remaining"] == 10
    assert span.attributes["tminus.error_ms"] == 1.5


@pytest.mark.parametrize("at", [0.0, float(1 << 53)])
def test_a_report_of_another_time_is_bounded_by_the_delivery_and_by_now(
    ticks: list[Tick], at: float
) -> None:
    before, traces = time.time_ns(), Traces()
    traces.deliver(2, ticks[0])
    traces.report(10, at)
    (span,) = traces.shown
    assert span.start_time is not None
    assert span.end_time is not None
    assert before <= span.start_time <= span.end_time <= time.time_ns()


def test_reports_of_the_same_tick_are_bounded(ticks: list[Tick]) -> None:
    traces = Traces()
    traces.deliver(2, ticks[0])
    for _ in range(3 * room_traces.MAX_SHOWN):
        traces.report(10)
    assert len(traces.shown) == room_traces.MAX_SHOWN


def test_a_report_of_what_nobody_looks_at_is_none(ticks: list[Tick]) -> None:
    traces = Traces()
    with trace.use_span(trace.INVALID_SPAN):
        traces.room.add(2, ticks[0])
    traces.report(10)
    traces.report(7)
    traces.room.on_ping(Ping(id=0))
    assert traces.shown == []


def test_only_the_latest_entries_are_remembered(
    ticks: list[Tick], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_traces, "MAX_ENTRIES", 5)
    traces = Traces()
    for seq, tick in enumerate(ticks):
        traces.deliver(seq, tick)
    traces.report(5)
    assert traces.shown == []
    traces.report(4)
    assert len(traces.shown) == 1
