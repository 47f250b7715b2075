"""What the metrics say of the stream, by its leader's report."""

import pytest
from prometheus_client import REGISTRY

from bus import stream_metrics
from bus.reports import Cluster, Config, Peer, Report, State

SECOND_NS = 1_000_000_000
HERE = Peer(current=True, active=SECOND_NS)
LAGS = Peer(current=False, active=SECOND_NS)
GONE = Peer(current=True, active=30 * SECOND_NS)


def report(replicas: int, cluster: Cluster | None) -> Report:
    config = Config(num_replicas=replicas, max_bytes=1000)
    return Report(config=config, state=State(7, 500, 1, 9), cluster=cluster)


@pytest.mark.parametrize(
    ("others", "current"),
    [([], 1), ([HERE, HERE], 3), ([HERE, GONE], 2), ([LAGS, GONE], 1)],
)
def test_servers_that_are_gone_or_lag_have_no_current_replica(
    others: list[Peer], current: int
) -> None:
    stream_metrics.note(report(3, Cluster(leader="nats-1", replicas=others)))
    assert figure("replicas") == 3
    assert figure("replicas_current") == current


def test_a_server_without_a_cluster_holds_the_one_replica() -> None:
    stream_metrics.note(report(1, None))
    assert figure("replicas") == figure("replicas_current") == 1
    names = ("bytes", "limit_bytes", "entries", "last_sequence")
    assert [figure(name) for name in names] == [500, 1000, 7, 9]


def figure(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"tminus_stream_{name}")
