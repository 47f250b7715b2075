"""What a run does by itself: its planned holds begin and end (`static/plan.js` does the same)."""

from collections.abc import Sequence

import msgspec

from protocol.events import PlannedHold
from protocol.state import State


def as_planned(state: State, now_ms: float) -> State:
    """The state as it is at `now_ms` if all has gone as planned since: the run stands at the number
    of a planned hold from when that is due, and goes on when the hold ends."""
    first, interval_ms, starts_at = state.from_, state.interval_ms, state.starts_at
    is_under_way = state.status in ("scheduled", "running", "held")
    if not is_under_way or first is None or interval_ms is None or starts_at is None:
        return state
    if state.held_at is not None:
        if state.held_until is None or now_ms < state.held_until:
            return state
        later = starts_at + state.held_until - state.held_at
        going_on = msgspec.structs.replace(state, starts_at=later, held_at=None, held_until=None)
        return as_planned(going_on, now_ms)
    hold = next(iter(pending_holds(state)), None)
    if hold is None:
        return state
    since = starts_at + (first - hold.at) * interval_ms
    if now_ms < since:
        return state
    until = None if hold.for_ms is None else since + hold.for_ms
    held = msgspec.structs.replace(state, remaining=hold.at, held_at=since, held_until=until)
    return as_planned(held, now_ms)


def pending_holds(state: State) -> Sequence[PlannedHold]:
    """The holds of the numbers that have not been reached, the next one first."""
    return [hold for hold in state.holds if state.remaining is None or hold.at < state.remaining]
