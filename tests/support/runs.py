"""Runs by the rules alone: started, counted down, and followed by an event."""

from protocol import rules
from protocol.events import Event, Tick
from protocol.requests import Start
from protocol.rules import Countdown

NOW = 1_795_420_800_000


def started(**terms: int | str) -> Countdown:
    event = rules.start(Countdown(), Start(**terms), NOW, "run-1", "scheduler-1")  # type: ignore[arg-type]
    return rules.apply(Countdown(), 1, event)


def count_down(room: Countdown, now: int) -> tuple[Countdown, list[Tick]]:
    ticks: list[Tick] = []
    while isinstance(tick := rules.decide(room, now, "scheduler-1"), Tick):
        room = rules.apply(room, room.seq + 1, tick)
        ticks.append(tick)
    return room, ticks


def follow(room: Countdown, event: Event) -> Countdown:
    """The room after one more event."""
    return rules.apply(room, room.seq + 1, event)
