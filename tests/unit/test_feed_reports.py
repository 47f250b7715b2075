"""What a feed makes of the server's reports about the stream."""

from nats.js.api import StreamInfo

from bus.connection import Bus
from bus.feed import Feed
from runtime.settings import Settings


def report(last_seq: int, copies: int = 1) -> StreamInfo:
    state = {"messages": 0, "bytes": 0, "first_seq": 1, "last_seq": last_seq, "consumer_count": 0}
    stream: StreamInfo = StreamInfo.from_response(
        {
            "created": "2026-01-01T00:00:00Z",
            "config": {"name": "COUNTDOWN", "num_replicas": copies},
            "state": state,
        }
    )
    return stream


async def test_a_stream_that_ends_before_what_was_seen_is_read_again() -> None:
    feed = Feed(Bus(Settings(port=0), "coordinator"), opened)
    feed._look_at(report(10), seen=0)
    feed._delivery.highest = 10
    feed._look_at(report(9), seen=9)  # as it was when the feed had seen less
    assert feed._delivery.highest == 10
    feed._look_at(report(9), seen=10)
    assert (feed.end, feed._delivery.highest) == (9, 0)


async def test_an_answer_comes_in_order_from_the_only_copy_while_the_connection_lasts() -> None:
    feed = Feed(Bus(Settings(port=0), "coordinator"), opened)
    feed._look_at(report(10), seen=0)
    assert not feed._is_in_order()
    feed._is_ready.set()
    assert feed._is_in_order()
    feed._look_at(report(10, copies=3), seen=0)
    assert not feed._is_in_order()


async def opened() -> StreamInfo:
    return report(0)
