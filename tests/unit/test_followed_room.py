"""What a followed room makes of the messages that it sees on their way, and of the answers to its
questions for the next one."""

import pytest

from bus.client import Client
from bus.followed_room import HINTS, QUESTIONS, FollowedRoom
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
        self.scheduled = 0
        self.room = FollowedRoom("main", self._deliver, self._schedule_read, lambda: is_in_order)
        self.room.is_open, self.room.is_reading, self.room.awaited = True, False, 1

    def answer(self, headers: bytes) -> tuple[list[int], int]:
        """What is delivered and how often it is to be read, after this answer."""
        self.room._on_answer(headers, b"hello")
        return self.delivered, self.scheduled

    async def subscribe(self) -> Client:
        """Have it subscribed over a client that keeps what it would send, in `_pending`."""
        client = Client()
        await self.room.subscribe(client)
        client._pending.clear()
        return client

    def _deliver(self, room: FollowedRoom, entry: Entry) -> None:
        self.delivered.append(entry.seq)

    def _schedule_read(self, room: FollowedRoom) -> None:
        self.scheduled += 1


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


async def test_the_stream_is_asked_again_for_a_message_that_is_not_stored_yet() -> None:
    followed = Followed()
    client = await followed.subscribe()
    followed.room.awaited = 0
    followed.room._on_message()
    for _ in range(QUESTIONS - 1):
        assert followed.answer(NOT_THERE) == ([], 0)
    assert [b"next_by_subj" in question for question in client._pending] == [True] * QUESTIONS
    assert followed.answer(NOT_THERE) == ([], 1)
    assert len(client._pending) == QUESTIONS


async def test_a_room_is_read_whose_question_nobody_answers() -> None:
    followed = Followed()
    client = await followed.subscribe()
    assert followed.answer(b"NATS/1.0 503\r\n\r\n") == ([], 1)
    assert not client._pending


@pytest.mark.parametrize(
    ("seconds", "is_flood"), [(0.02, False), (1 / 60, False), (1 / 68, True), (0.005, True)]
)
async def test_messages_are_seen_for_as_long_as_they_are_no_flood(
    seconds: float, is_flood: bool
) -> None:
    followed = Followed()
    client = await followed.subscribe()
    room, now = followed.room, 1000.0
    room._time = lambda: now
    room._subscribe_to_messages(client)
    for _ in range(3 * HINTS):
        if room.has_hints_left:
            now += seconds
            room._on_message()
    commands = [one for one in client._pending if b"next_by_subj" not in one]
    assert (room.is_flooded, room.has_hints_left) == (is_flood, not is_flood)
    first, *others = [one for one in commands if one.startswith(b"SUB countdown.main.message")]
    assert first.endswith(b" %d\r\n" % HINTS)
    assert bool(others) == (not is_flood)
    # The next subscription is there before the one before it ends.
    assert [one[:3] for one in commands] == [b"SUB", b"UNS"] * (1 + len(others))
