"""What may follow an event of a run, said without the rules: the oracle of tests of the rules."""

import msgspec

from protocol import frames
from protocol.events import Adjusted, Held, Known, Recycled, Resumed, Tick
from protocol.rules import Countdown
from protocol.state import state_of

DENSE, SPARSE = 6, 3
"""Above the first number only the multiples of the second have a tick; smaller than in the rules,
so that a run of a few numbers has some without one."""


def ticks_below(event: Known) -> list[int]:
    """The numbers of the ticks that follow an event, if nothing changes the run any more."""
    if event.remaining is None:
        return [event.from_, *ticks_of(event, event.from_)]
    return ticks_of(event, event.remaining)


def ticks_of(event: Known, below: int) -> list[int]:
    planned = {hold.at for hold in event.holds}
    return [
        number
        for number in range(below - 1, -1, -1)
        if number <= DENSE or number % SPARSE == 0 or number in planned
    ]


def check_successor(before: Known, event: Known) -> None:
    """Assert that an event may follow another one of its run."""
    assert event.holds == before.holds
    assert event.held_until is None or event.held_at is not None
    if isinstance(event, Tick):
        assert before.held_at is None, "a tick of a held run"
        assert event.remaining == ticks_below(before)[0]
        assert event.due_at == before.due(event.remaining)
        assert event.emitted >= event.due_at
        hold = {hold.at: hold for hold in event.holds}.get(event.remaining)
        assert event.held_at == (event.due_at if hold else None)
        for_ms = hold.for_ms if hold else None
        assert event.held_until == (event.due_at + for_ms if for_ms else None)
        check_delta(before, event)
    elif isinstance(event, Held):
        is_prolonged = before.held_until is not None
        assert is_prolonged or before.held_at is None, "held twice"
        assert event.held_at == before.held_at or not is_prolonged
        assert event.held_until is None
        assert (event.remaining, event.zero_at) == (before.remaining, before.zero_at)
        if event.remaining is not None:
            assert event.due(event.remaining) <= (event.held_at or 0)
    elif isinstance(event, Resumed):
        assert before.held_at is not None
        assert event.held_at is None
        assert event.remaining == before.remaining
        assert event.zero_at - event.at == before.zero_at - before.held_at, "time was lost"
        if event.change == before.change:
            assert event.at == before.held_until, "by itself, and at another time than planned"
        else:
            assert before.held_until is None or event.at < before.held_until
    elif isinstance(event, Adjusted):
        later_ms, now = event.zero_at - before.zero_at, event.held_at or event.at
        assert later_ms == 1000 * event.seconds or event.zero_at == event.at, "not by so much"
        assert event.held_until == (before.held_until if event.held_at else None)
        if event.remaining is not None:
            assert event.due(event.remaining) <= now
            assert now <= event.due(event.remaining - 1), "it is late already"
    elif isinstance(event, Recycled):
        assert before.held_at is not None
        assert (event.held_at, event.held_until) == (before.held_at, None)
        assert event.due(event.remaining) == event.held_at


def check_delta(before: Known, tick: Tick) -> None:
    """Assert that version 2 says all of a tick to whoever knows the event before it."""
    is_next = frames.is_next_tick(tick, before)
    assert is_next == (tick.held_at is None)
    if not is_next:
        return
    after = msgspec.structs.replace(
        state_of(Countdown(last=before)),
        status="running" if tick.remaining else "finished",
        remaining=tick.remaining,
        finished_at=None if tick.remaining else before.zero_at,
    )
    assert state_of(Countdown(last=tick)) == after
