"""The metrics of the stream, by its leader's latest report, in every service.

There are two reports a second, so what they say is looked at when the metrics are asked for.
"""

from collections import deque
from collections.abc import Callable

from prometheus_client import Gauge

from .reports import Report
from .stream import is_heard

_latest: deque[Report] = deque(maxlen=1)


def note(report: Report) -> None:
    """The stream's leader has reported."""
    _latest.append(report)


def _current(report: Report) -> int:
    others = (report.cluster.replicas if report.cluster is not None else None) or []
    return 1 + sum(peer.current and is_heard(peer) for peer in others)


def _gauge(name: str, about: str, value: Callable[[Report], int]) -> None:
    """A gauge of the latest report; 0 before the first."""
    Gauge(name, about).set_function(lambda: value(_latest[0]) if _latest else 0)


_gauge("tminus_stream_bytes", "Bytes that the stream holds.", lambda of: of.state.bytes)
_gauge(
    "tminus_stream_limit_bytes",
    "Bytes above which its oldest entries go.",
    lambda of: of.config.max_bytes,
)
_gauge("tminus_stream_entries", "Entries that the stream holds.", lambda of: of.state.messages)
_gauge(
    "tminus_stream_last_sequence",
    "Sequence of the last entry that was stored.",
    lambda of: of.state.last_seq,
)
_gauge(
    "tminus_stream_replicas",
    "Servers on which the stream is to be stored.",
    lambda of: of.config.num_replicas,
)
_gauge("tminus_stream_replicas_current", "Servers on which the stream is up to date.", _current)
