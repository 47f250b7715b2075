"""The metrics of the stream, by its leader's report, in every service."""

from prometheus_client import Gauge

from .reports import Report
from .stream import is_heard

_bytes = Gauge("tminus_stream_bytes", "Bytes that the stream holds.")
_most_bytes = Gauge("tminus_stream_limit_bytes", "Bytes above which its oldest entries go.")
_entries = Gauge("tminus_stream_entries", "Entries that the stream holds.")
_last = Gauge("tminus_stream_last_sequence", "Sequence of the last entry that was stored.")
_replicas = Gauge("tminus_stream_replicas", "Servers on which the stream is to be stored.")
_current = Gauge("tminus_stream_replicas_current", "Servers on which the stream is up to date.")


def note(report: Report) -> None:
    """The stream's leader has reported."""
    others = (report.cluster.replicas if report.cluster is not None else None) or []
    _bytes.set(report.state.bytes)
    _most_bytes.set(report.config.max_bytes)
    _entries.set(report.state.messages)
    _last.set(report.state.last_seq)
    _replicas.set(report.config.num_replicas)
    _current.set(1 + sum(peer.current and is_heard(peer) for peer in others))
