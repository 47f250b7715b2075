"""The fields that a log line about a run has outside of any request."""

from protocol.events import Event, Known


def trace_of(event: Event | None) -> dict[str, str]:
    """The trace of the run's start, in W3C's hexadecimal, if it has one."""
    if not isinstance(event, Known) or event.trace is None:
        return {}
    _version, trace_id, span_id, *_ = [*event.trace.parent.split("-"), "", "", ""]
    return {"trace_id": trace_id, "span_id": span_id}
