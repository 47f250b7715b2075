"""What a NATS server reports of a replicated stream, and whether its leader has a quorum.

The reports are those of three nats-servers 2.15.1 of which one was cut off from the others.
"""

import pytest
from nats.js.api import ClusterInfo, PeerInfo

from bus.stream import has_quorum

SECOND_NS = 1_000_000_000


def peer(name: str, seconds: float, *, is_current: bool = True) -> PeerInfo:
    return PeerInfo(name=name, current=is_current, active=int(seconds * SECOND_NS))


def report(leader: str | None, *peers: PeerInfo) -> ClusterInfo:
    return ClusterInfo(name="tminus", leader=leader, replicas=list(peers) or None)


REPORTS = {
    "all are there": (report("nats-1", peer("nats-2", 1.0), peer("nats-3", 1.0)), True),
    "one is gone": (report("nats-1", peer("nats-2", 1.0), peer("nats-3", 30.0)), True),
    "one lags": (
        report("nats-1", peer("nats-2", 0.3, is_current=False), peer("nats-3", 30.0)),
        True,
    ),
    "a leader that was cut off, three seconds later": (
        report("nats-1", peer("nats-2", 3.0), peer("nats-3", 3.0)),
        False,
    ),
    "a leader that was cut off, and never heard from the other": (
        report("nats-1", peer("nats-2", 3.0), peer("nats-3", 0.0, is_current=False)),
        False,
    ),
    "no leader, as one server knows it": (
        report(
            None,
            peer("nats-1", 1.4),
            peer("nats-2", 0.0, is_current=False),
            peer("nats-3", 0.0, is_current=False),
        ),
        False,
    ),
    "an election": (
        report(None, peer("nats-1", 0.1), peer("nats-2", 0.1), peer("nats-3", 0.1)),
        False,
    ),
    "two copies, one gone": (report("nats-1", peer("nats-2", 9.0)), False),
    "one copy in a cluster": (report("nats-1"), True),
    "one server": (None, True),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_shows_whether_there_is_a_quorum(name: str) -> None:
    cluster, is_one = REPORTS[name]
    assert has_quorum(cluster) == is_one
