"""Token buckets: what is shown of a room's messages, and what the frontend passes on."""

import pytest

from frontend.problem import Problem
from frontend.rate_limits import ALL_BURST_BYTES, ALL_BYTES_A_SECOND, MANY_ROOMS, RateLimits
from runtime.rate_limit import (
    OVERHEAD_BYTES,
    ROOM_BURST_BYTES,
    ROOM_BYTES_A_SECOND,
    Allowance,
    TokenBucket,
)

LARGE = 4096
"""The largest payload of a message."""
COST = LARGE + OVERHEAD_BYTES


def test_a_room_s_messages_are_bounded_in_bytes_a_second() -> None:
    allowance = Allowance()
    shown = sum(allowance.take(LARGE, at) for at in range(10_000) for _ in range(10))
    granted = ROOM_BURST_BYTES + 10 * ROOM_BYTES_A_SECOND
    assert granted - 2 * COST < shown * COST <= granted
    assert allowance.is_spent
    assert allowance.take(LARGE, 20_000)
    assert not allowance.is_spent


def test_three_hundred_messages_at_once_are_all_shown() -> None:
    allowance = Allowance()
    assert all(allowance.take(200, 1_795_420_800_000) for _ in range(300))


def test_there_is_room_after_as_long_as_was_told_and_not_before() -> None:
    bucket = TokenBucket(1000, 10_000)
    assert bucket.take(10_000 - OVERHEAD_BYTES, 0)
    wait_ms = bucket.wait_ms(500 - OVERHEAD_BYTES, 0)
    assert wait_ms == 500
    assert not bucket.take(500 - OVERHEAD_BYTES, 499)
    assert bucket.take(500 - OVERHEAD_BYTES, 500)


def test_a_clock_that_goes_back_grants_nothing() -> None:
    bucket = TokenBucket(1000, 1000)
    assert bucket.take(900 - OVERHEAD_BYTES, 5000)
    assert bucket.wait_ms(900 - OVERHEAD_BYTES, 4000) == bucket.wait_ms(900 - OVERHEAD_BYTES, 5000)


def fill(rates: RateLimits, room: str, now: float) -> tuple[int, Problem]:
    """Send large messages into a room until it is refused; how many were taken."""
    for count in range(10_000):
        try:
            rates.take(room, LARGE, now)
        except Problem as refused:
            return count, refused
    raise AssertionError("never refused")


def test_a_sender_is_refused_what_would_not_be_shown_and_told_when_to_come_back() -> None:
    rates = RateLimits()
    taken, refused = fill(rates, "main", 0)
    assert taken == ROOM_BURST_BYTES // COST
    assert (refused.status, refused.headers) == (429, {"Retry-After": "1"})
    assert "this room" in refused.detail
    rates.take("another", LARGE, 0)
    rates.take("main", LARGE, 1000 * refused.retry_after)


def test_rooms_that_somebody_thinks_of_have_a_limit_together() -> None:
    rates = RateLimits()
    taken, room = 0, 0
    while True:
        count, refused = fill(rates, f"room-{room}", 0)
        taken, room = taken + count, room + 1
        if "all rooms" in refused.detail:
            break
    assert taken == ALL_BURST_BYTES // COST
    assert refused.status == 429
    # What was refused by all together was not taken from its room.
    later = 1000 * (ALL_BURST_BYTES / ALL_BYTES_A_SECOND)
    assert fill(rates, f"room-{room}", later)[0] == ROOM_BURST_BYTES // COST


@pytest.mark.parametrize(("size", "seconds"), [(LARGE, 1), (2 * ROOM_BYTES_A_SECOND, 2)])
def test_when_to_come_back_is_in_whole_seconds(size: int, seconds: int) -> None:
    rates = RateLimits()
    rates.take("main", ROOM_BURST_BYTES - OVERHEAD_BYTES, 0)
    with pytest.raises(Problem) as refused:
        rates.take("main", size - OVERHEAD_BYTES, 0)
    assert refused.value.retry_after == seconds


def test_rooms_that_have_their_whole_allowance_are_forgotten_and_no_others() -> None:
    rates = RateLimits()
    fill(rates, "busy", 0)
    for number in range(10 * MANY_ROOMS):
        rates.take(f"room-{number}", 1, number / 100)
    assert len(rates) <= MANY_ROOMS
    taken, _ = fill(rates, "busy", 100)
    assert taken <= ROOM_BYTES_A_SECOND // 10 // COST
