"""How long each replica leaves a tick to the one that stored the event before it."""

from protocol.rules import Countdown
from scheduler.grace import GRACE_EACH_MS, GRACE_MS, Grace
from support.runs import NOW, started

ROOM = started()
"""Its last event was stored by scheduler-1."""


def test_who_stored_the_last_event_is_on_time_and_the_others_wait() -> None:
    assert Grace("scheduler-1").turn(ROOM, NOW).wait_ms(NOW) == 0
    assert Grace("scheduler-2").turn(ROOM, NOW).wait_ms(NOW) == GRACE_MS


def test_who_has_many_ticks_at_once_is_left_so_much_longer_until_they_are_waited_for_no_more() -> (
    None
):
    grace = Grace("scheduler-2")
    turns = [grace.turn(ROOM, NOW) for _ in range(3)]
    assert [turn.wait_ms(NOW) for turn in turns] == 3 * [GRACE_MS + 2 * GRACE_EACH_MS]
    another = grace.turn(Countdown(), NOW)
    assert another.wait_ms(NOW) == GRACE_MS, "of a replica that stored nothing else"
    turns.pop().end()
    assert turns[0].wait_ms(NOW) == GRACE_MS + GRACE_EACH_MS
