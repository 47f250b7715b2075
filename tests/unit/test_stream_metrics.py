"""What the metrics say of the stream, by its leader's report."""

import pytest
from nats.js.api import ClusterInfo, PeerInfo, StreamInfo
from prometheus_client import REGISTRY

from bus import stream_metrics

SECOND_NS = 1_000_000_000
HERE = PeerInfo(name="nats-2", current=True, active=SECOND_NS)
LAGS = PeerInfo(name="nats-2", current=False, active=SECOND_NS)
GONE = PeerInfo(name="nats-3", current=True, active=30 * SECOND_NS)


def report(replicas: int, cluster: ClusterInfo | None) -> StreamInfo:
    stream: StreamInfo = StreamInfo.from_response(
        {
            "created": "2026-01-01T00:00:00Z",
            "config": {"name": "COUNTDOWN", "num_replicas": replicas, "max_bytes": 1000},
            "state": {
                "messages": 7,
                "bytes": 500,
                "first_seq": 1,
                "last_seq": 9,
                "consumer_count": 0,
            },
        }
    )
    stream.cluster = cluster
    return stream


@pytest.mark.parametrize(
    ("others", "current"),
    [([], 1), ([HERE, HERE], 3), ([HERE, GONE], 2), ([LAGS, GONE], 1)],
)
def test_servers_that_are_gone_or_lag_have_no_current_replica(
    others: list[PeerInfo], current: int
) -> None:
    stream_metrics.note(report(3, ClusterInfo(name="tminus", leader="nats-1", replicas=others)))
    assert figure("replicas") == 3
    assert figure("replicas_current") == current


def test_a_server_without_a_cluster_holds_the_one_replica() -> None:
    stream_metrics.note(report(1, None))
    assert figure("replicas") == figure("replicas_current") == 1
    names = ("bytes", "limit_bytes", "entries", "last_sequence")
    assert [figure(name) for name in names] == [500, 1000, 7, 9]


def figure(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"tminus_stream_{name}")
