"""What a followed room makes of the answer to its question for the next message."""

import pytest

from bus.followed_room import FollowedRoom
from bus.stream import Entry

ANSWER = (
    b"NATS/1.0\r\nNats-Stream: COUNTDOWN\r\nNats-Subject: countdown.main.message\r\n"
    b"Nats-Sequence: 5\r\nNats-Time-Stamp: 2026-01-01T00:00:00.000000001Z\r\n\r\n"
)
NOT_THERE = b"NATS/1.0 404 Message Not Found\r\n\r\n"


class Followed:
    """A room that waits for one message, and what it has done."""

    def __init__(self, *, is_in_order: bool = True) -> None:
        self.delivered: list[int] = []
        self.attended = 0
        self.room = FollowedRoom("main", self._deliver, self._attend, lambda: is_in_order)
        self.room.is_open, self.room.is_reading, self.room.awaited = True, False, 1

    def answer(self, headers: bytes) -> tuple[list[int], int]:
        """What is delivered and how often it is to be read, after this answer."""
        self.room._on_answer(headers, b"hello")
        return self.delivered, self.attended

    def _deliver(self, room: FollowedRoom, entry: Entry) -> None:
        self.delivered.append(entry.seq)

    def _attend(self, room: FollowedRoom) -> None:
        self.attended += 1


async def test_the_next_message_is_delivered() -> None:
    followed = Followed()
    assert followed.answer(ANSWER) == ([5], 0)
    assert not followed.room.waits_for


async def test_a_room_is_read_whose_message_is_not_stored_yet() -> None:
    followed = Followed()
    assert followed.answer(NOT_THERE) == ([], 1)
    assert followed.room.waits_for


@pytest.mark.parametrize("already", ["countdown.main.message", "countdown.main.events"])
async def test_nothing_is_delivered_twice_or_late(already: str) -> None:
    followed = Followed()
    followed.room.last[already] = 5
    assert followed.answer(ANSWER) == ([], 1)


async def test_a_room_that_may_lack_an_event_is_read() -> None:
    assert Followed(is_in_order=False).answer(ANSWER) == ([], 1)


async def test_a_room_that_may_lack_another_message_is_read() -> None:
    followed = Followed()
    followed.room.awaited = 2
    assert followed.answer(ANSWER) == ([], 1)


async def test_a_room_that_is_being_read_delivers_no_answer() -> None:
    followed = Followed()
    followed.room.is_reading = True
    assert followed.answer(ANSWER)[0] == []


async def test_a_room_that_is_closed_takes_no_answer() -> None:
    followed = Followed()
    followed.room.is_closed = True
    assert followed.answer(ANSWER) == ([], 0)
