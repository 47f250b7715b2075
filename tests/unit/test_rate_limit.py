"""Token buckets: what is shown of a room's messages, and what the frontend passes on."""

import pytest

from frontend.message_limits import (
    ALL_BURST_BYTES,
    ALL_BYTES_A_SECOND,
    MANY_ROOMS,
    MessageLimits,
)
from frontend.problem import Problem
from protocol.messages import OVERHEAD_BYTES, ROOM_BURST_BYTES, ROOM_BYTES_A_SECOND, cost
from runtime.rate_limit import BURST_SECONDS, MANY_ADDRESSES, RateLimit, TokenBucket

LARGE = 4096
"""The largest payload of a message."""
COST = cost(LARGE)


def test_a_room_s_messages_are_bounded_in_bytes_a_second() -> None:
    bucket = TokenBucket(ROOM_BYTES_A_SECOND, ROOM_BURST_BYTES)
    shown = sum(bucket.take(COST, at) for at in range(10_000) for _ in range(10))
    granted = ROOM_BURST_BYTES + 10 * ROOM_BYTES_A_SECOND
    assert granted - 2 * COST < shown * COST <= granted
    assert bucket.is_spent
    assert bucket.take(COST, 20_000)
    assert not bucket.is_spent


def test_three_hundred_messages_at_once_are_all_shown() -> None:
    bucket = TokenBucket(ROOM_BYTES_A_SECOND, ROOM_BURST_BYTES)
    assert all(bucket.take(cost(200), 1_795_420_800_000) for _ in range(300))


def test_there_is_room_after_as_long_as_was_told_and_not_before() -> None:
    bucket = TokenBucket(1000, 10_000)
    assert bucket.take(10_000, 0)
    assert bucket.wait_ms(500, 0) == 500
    assert not bucket.take(500, 499)
    assert bucket.take(500, 500)


def test_a_clock_that_is_set_back_grants_nothing_and_goes_on_from_there() -> None:
    bucket = TokenBucket(1000, 1000)
    assert bucket.take(900, 5000)
    assert bucket.wait_ms(900, 4000) == 800
    assert bucket.take(900, 4800)


def fill(limits: MessageLimits, room: str, now: float) -> tuple[int, Problem]:
    """Send large messages into a room until it is refused; how many were taken."""
    for count in range(10_000):
        try:
            limits.take(room, LARGE, now)
        except Problem as refused:
            return count, refused
    raise AssertionError("never refused")


def test_a_sender_is_refused_what_would_not_be_shown_and_told_when_to_come_back() -> None:
    limits = MessageLimits()
    taken, refused = fill(limits, "main", 0)
    assert taken == ROOM_BURST_BYTES // COST
    assert (refused.status, refused.headers) == (429, {"Retry-After": "1"})
    assert "this room" in refused.detail
    limits.take("another", LARGE, 0)
    limits.take("main", LARGE, 1000 * refused.retry_after)


def test_rooms_that_somebody_thinks_of_have_a_limit_together() -> None:
    limits = MessageLimits()
    taken, room = 0, 0
    while True:
        count, refused = fill(limits, f"room-{room}", 0)
        taken, room = taken + count, room + 1
        if "all rooms" in refused.detail:
            break
    assert taken == ALL_BURST_BYTES // COST
    assert refused.status == 429
    # What was refused by all together was not taken from its room.
    later = 1000 * (ALL_BURST_BYTES / ALL_BYTES_A_SECOND)
    assert fill(limits, f"room-{room}", later)[0] == ROOM_BURST_BYTES // COST


@pytest.mark.parametrize(("size", "seconds"), [(LARGE, 1), (2 * ROOM_BYTES_A_SECOND, 2)])
def test_when_to_come_back_is_in_whole_seconds(size: int, seconds: int) -> None:
    limits = MessageLimits()
    limits.take("main", ROOM_BURST_BYTES - OVERHEAD_BYTES, 0)
    with pytest.raises(Problem) as refused:
        limits.take("main", size - OVERHEAD_BYTES, 0)
    assert refused.value.retry_after == seconds


def test_rooms_that_have_their_whole_allowance_are_forgotten_and_no_others() -> None:
    limits = MessageLimits()
    fill(limits, "busy", 0)
    for number in range(10 * MANY_ROOMS):
        limits.take(f"room-{number}", 1, number / 100)
    assert len(limits) <= MANY_ROOMS
    taken, _ = fill(limits, "busy", 100)
    assert taken <= ROOM_BYTES_A_SECOND // 10 // COST


def test_an_address_is_refused_what_is_over_its_limit_and_the_others_are_not() -> None:
    limit = RateLimit(per_address=10, in_all=1000)
    for _ in range(10 * BURST_SECONDS):
        assert limit.take("192.0.2.1", 0) is None
    assert limit.take("192.0.2.1", 0) == ("address", 100)
    assert limit.take("192.0.2.2", 0) is None
    assert limit.take("192.0.2.1", 99) is not None
    assert limit.take("192.0.2.1", 100) is None


def test_all_addresses_have_a_limit_together_which_a_refused_one_does_not_spend() -> None:
    limit = RateLimit(per_address=10, in_all=30)
    for _ in range(100 * BURST_SECONDS):
        limit.take("192.0.2.1", 0)
    taken = sum(limit.take(f"192.0.2.{2 + n % 100}", 0) is None for n in range(1000))
    assert taken == (30 - 10) * BURST_SECONDS
    refused = limit.take("198.51.100.1", 0)
    assert refused is not None
    assert refused[0] == "all"


def test_addresses_take_no_more_than_so_much_memory() -> None:
    limit = RateLimit(per_address=1, in_all=1e9)
    for number in range(3 * MANY_ADDRESSES):
        limit.take(f"address-{number}", 0)
        assert len(limit) <= MANY_ADDRESSES


def test_making_place_forgets_no_address_that_has_spent_something() -> None:
    limit = RateLimit(per_address=1, in_all=1e9)
    for _ in range(BURST_SECONDS):
        limit.take("busy", 0)
    for number in range(MANY_ADDRESSES):
        limit.take(f"address-{number}", number / 2)
    assert len(limit) < MANY_ADDRESSES // 2  # all others had their tokens back
    assert sum(limit.take("busy", 5000) is None for _ in range(BURST_SECONDS)) == 5
