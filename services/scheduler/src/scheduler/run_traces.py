"""Which trace an event of a run belongs to: that of the request, or for a while of the start.

A run can last for months, and a trace is looked at as a whole. So what is due within the first
minute after the start, and of a fast run within its first ticks, belongs to the trace of the start;
each later tick begins a trace of its own, linked to it. The run's events say which trace that is,
so it makes no difference which scheduler stores the next one.

Imported only while tracing is on.
"""

from collections.abc import Awaitable, Callable

import msgspec

from bus import tracing
from bus.tracing import MESSAGE_ID, Tracing
from protocol import subjects
from protocol.events import Known, Resumed, Started, Tick, Trace
from protocol.rules import Countdown

from .appender import Conflict

JOINED_MS = 60_000
"""For how long after the start what is due belongs to its trace."""
JOINED_TICKS = 60
"""If that would be more ticks of the run, for as long as these take."""


class RunTraces:
    """The spans of a scheduler's appends."""

    def __init__(self, spans: Tracing) -> None:
        self._spans = spans

    def started(self, event: Started, now: int) -> Started:
        """The event with the trace of the request that it answers, if somebody looks at that."""
        context = self._spans.current()
        if context is None:
            return event
        until = now + min(JOINED_MS, JOINED_TICKS * event.interval_ms)
        trace = Trace(parent=tracing.traceparent_of(context), until=until)
        return msgspec.structs.replace(event, trace=trace)

    async def append(
        self, event: Known, expected: Countdown, store: Callable[[dict[str, str]], Awaitable[int]]
    ) -> int:
        """Have `store` append the event, with these headers and within its span; returns the
        sequence."""
        origin = tracing.parse(event.trace.parent) if event.trace is not None else None
        due = _due(event, expected)
        if due is None:
            parent, link = self._spans.current(), origin
            if parent is None:
                return await store({})
            if origin is not None and origin.trace_id == parent.trace_id:
                link = None
        elif event.trace is None or origin is None:
            return await store({})
        elif due <= event.trace.until:
            parent, link = origin, None
        else:
            parent, link = None, origin
        headers: dict[str, str] = {}
        with self._spans.sending(
            subjects.events(event.room),
            subjects.EVENTS_TEMPLATE,
            headers,
            _about(event),
            parent=parent,
            link=link,
            expected=Conflict,
        ) as span:
            seq = await store(headers)
            span.set_attribute(MESSAGE_ID, str(seq))
            return seq


def _due(event: Known, expected: Countdown) -> int | None:
    """When an event that nobody asked for was due; None if somebody did."""
    if isinstance(event, Tick):
        return event.due_at
    is_planned = isinstance(expected.last, Known) and event.change == expected.last.change
    return event.at if isinstance(event, Resumed) and is_planned else None


def _about(event: Known) -> dict[str, str | int]:
    about: dict[str, str | int] = {
        "tminus.room": event.room,
        "tminus.run": event.run,
        "tminus.event": str(event.__struct_config__.tag),
    }
    if event.remaining is not None:
        about["tminus.remaining"] = event.remaining
    return about
