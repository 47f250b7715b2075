"""What is read of the reports of the stream's leader."""

import json

import msgspec
import pytest
from nats.js.api import StreamInfo

from bus.reports import Report
from bus.stream import epoch_of


@pytest.mark.parametrize("fraction", ["", ".5", ".123456", ".123456789", ".999999999"])
def test_a_report_names_the_same_epoch_as_what_opened_the_stream(fraction: str) -> None:
    """Else the feed would take each report for one of another stream."""
    sent = json.dumps(
        {
            "created": f"2026-11-29T23:50:47{fraction}Z",
            "config": {"name": "COUNTDOWN"},
            "state": {
                "messages": 0,
                "bytes": 0,
                "first_seq": 1,
                "last_seq": 0,
                "consumer_count": 0,
            },
        }
    )
    opened: StreamInfo = StreamInfo.from_response(json.loads(sent))
    assert epoch_of(msgspec.json.decode(sent, type=Report)) == epoch_of(opened)
