"""What a feed makes of the server's reports about the stream."""

import pytest
from nats.js import JetStreamContext
from nats.js.api import StreamInfo

from bus.connection import Bus
from bus.errors import BusUnavailable
from bus.feed import Feed
from runtime.settings import Settings


class Reports(JetStreamContext):
    """JetStream, as far as a feed asks it for the stream."""

    def __init__(self, *reports: StreamInfo) -> None:
        self._reports = list(reports)

    async def stream_info(self, name: str, subjects_filter: str | None = None) -> StreamInfo:
        return self._reports.pop(0)


class ReportingBus(Bus):
    def __init__(self, *reports: StreamInfo) -> None:
        super().__init__(Settings(port=0), "coordinator")
        self._reports = Reports(*reports)

    @property
    def jetstream(self) -> JetStreamContext:
        return self._reports


def report(last_seq: int, leader: str) -> StreamInfo:
    state = {"messages": 0, "bytes": 0, "first_seq": 1, "last_seq": last_seq, "consumer_count": 0}
    peers = [{"name": name, "current": True, "active": 1000} for name in ("nats-2", "nats-3")]
    stream: StreamInfo = StreamInfo.from_response(
        {
            "created": "2026-01-01T00:00:00Z",
            "config": {"name": "COUNTDOWN"},
            "state": state,
            "cluster": {"name": "tminus", "leader": leader, "replicas": peers},
        }
    )
    return stream


async def test_a_server_that_lags_without_a_leader_makes_it_read_nothing_again() -> None:
    """Without a leader any server answers, with what its own copy holds."""
    bus = ReportingBus(report(10, "nats-1"), report(9, ""))

    async def opened() -> StreamInfo:
        return await bus.jetstream.stream_info("COUNTDOWN")

    feed = Feed(bus, opened)
    await feed._look_at_stream(feed._stream)
    feed._highest = feed.end
    with pytest.raises(BusUnavailable):
        await feed._look_at_stream(feed._stream)
    assert feed.end == 10
