"""Which of the ticks that are due goes next, and how many go at once."""

import asyncio
from collections.abc import Callable

import pytest

from scheduler.concurrency_limit import FIRST, LEAST, MOST, ConcurrencyLimit
from scheduler.tick_queue import TickQueue


def queue_of(at_once: int, monkeypatch: pytest.MonkeyPatch) -> tuple[TickQueue, list[str]]:
    """A queue that lets so many go at once, and those that have gone."""
    for limit in ("FIRST", "LEAST", "MOST"):
        monkeypatch.setattr(f"scheduler.concurrency_limit.{limit}", at_once)
    went: list[str] = []
    return TickQueue(went.append), went


async def test_the_lowest_rank_goes_first_and_of_equals_the_one_that_came_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue, went = queue_of(1, monkeypatch)
    for rank, room in [(5, "late"), (3, "b"), (1, "a"), (3, "c")]:
        queue.add(rank, room)
    for gone in (["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "late"]):
        await asyncio.sleep(0)
        assert went == gone
        queue.done(None)


async def test_who_comes_later_with_a_lower_rank_goes_before_those_who_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue, went = queue_of(1, monkeypatch)
    queue.add(5, "late")
    queue.add(6, "last")
    await asyncio.sleep(0)
    queue.add(1, "early")
    queue.done(0.001)
    await asyncio.sleep(0)
    assert went == ["late", "early"]


async def test_no_more_go_at_once_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    queue, went = queue_of(3, monkeypatch)
    for number in range(20):
        queue.add(0, f"room-{number}")
    for done in range(18):
        await asyncio.sleep(0)
        assert len(went) == min(20, 3 + done)
        queue.done(0.001)
    for _ in range(2):
        queue.done(None)
    queue.add(0, "one more")
    await asyncio.sleep(0)
    assert went[-1] == "one more"


async def test_more_go_at_once_while_that_delays_none() -> None:
    went: list[str] = []
    queue = TickQueue(went.append)
    for number in range(10_000):
        queue.add(0, f"room-{number}")
    await asyncio.sleep(0)
    assert len(went) == FIRST
    for _ in range(5000):
        queue.done(0.001)
        await asyncio.sleep(0)
    assert len(went) == 5000 + MOST


def settled(seconds: Callable[[int], float]) -> int:
    """The limit after a thousand ticks, if an append takes so long with so many at once."""
    limit = ConcurrencyLimit()
    limit.note(seconds(1), is_reached=False)
    for _ in range(1000):
        limit.note(seconds(int(limit)), is_reached=True)
    return int(limit)


@pytest.mark.parametrize(
    ("seconds", "least", "most"),
    [
        (lambda many: 0.001 + 0.00002 * many, 40, MOST),
        (lambda many: 0.001 * many, 4, 9),
        (lambda many: 0.005 * many, LEAST, LEAST),
        (lambda many: 0.05 + 0.00002 * many, 40, MOST),  # the stream is far away
    ],
    ids=["fast", "slow disk", "very slow", "far"],
)
def test_the_limit_is_what_the_stream_takes(
    seconds: Callable[[int], float], least: int, most: int
) -> None:
    assert least <= settled(seconds) <= most


def test_single_appends_say_nothing_about_many() -> None:
    limit = ConcurrencyLimit()
    for _ in range(1000):
        limit.note(0.001, is_reached=False)
    assert int(limit) == FIRST


def test_a_stream_that_has_moved_away_is_as_good() -> None:
    limit = ConcurrencyLimit()
    limit.note(0.001, is_reached=False)
    for _ in range(8000):
        limit.note(0.04, is_reached=True)
    assert int(limit) == MOST
