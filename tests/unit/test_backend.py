"""What the frontend asks of the services: what it waits for, and what it asks again."""

from collections.abc import Sequence

import msgspec
import pytest
from aiohttp import web

from bus.connection import BUS
from bus.errors import BusTimeout, NoResponders, ServiceError
from frontend import backend
from frontend.problem import Problem
from protocol import events, requests, subjects
from protocol.events import Adjusted, Cancelled, Held, Resumed, Started
from protocol.frames import RoomReply, Screens
from protocol.requests import Adjust, Cancel, Hold, Resume
from protocol.state import State

TERMS = {"room": "main", "run": "new", "from_": 10, "interval_ms": 1000, "starts_at": 1}
STARTED = events.encode(Started(**TERMS, by="scheduler-1"))  # type: ignore[arg-type]
CANCELLED = events.encode(Cancelled(**TERMS, by="scheduler-1", remaining=7))  # type: ignore[arg-type]
HELD = events.encode(
    Held(**TERMS, by="scheduler-1", remaining=7, held_at=2, change="hold-1")  # type: ignore[arg-type]
)
RESUMED = events.encode(
    Resumed(**TERMS, by="scheduler-1", remaining=7, at=3, change="resume-1")  # type: ignore[arg-type]
)
ADJUSTED = events.encode(
    Adjusted(**TERMS, by="scheduler-1", remaining=7, at=3, seconds=5, change="adjust-1")  # type: ignore[arg-type]
)
CANCEL = Cancel(room="main")
CHANGES = [(Hold(), HELD, "hold-1"), (Resume(), RESUMED, "resume-1")]
CHANGES += [(Adjust(seconds=5), ADJUSTED, "adjust-1")]


class Bus:
    """A scheduler that stores at once, and a coordinator that hears of it some questions later."""

    tracing = None

    def __init__(self, event: bytes, states: list[State], errors: Sequence[Exception] = ()) -> None:
        """The first commands are answered with `errors`."""
        self._event = event
        self.states = states
        self._errors = list(errors)
        self.asked: list[dict[str, object]] = []

    async def ask(self, subject: str, payload: bytes, timeout: float) -> bytes:
        del timeout
        if subject != subjects.ROOM:
            self.asked.append(msgspec.json.decode(payload))
            if self._errors:
                raise self._errors.pop(0)
            return self._event
        if not self.states:
            raise NoResponders(subject)
        state = self.states.pop(0)
        nobody = Screens(reporting=0, in_step=0)
        reply = RoomReply(room="main", epoch="e", seq=1, viewers=0, screens=nobody, state=state)
        return msgspec.json.encode(reply)


def app_on(bus: Bus) -> web.Application:
    app = web.Application()
    app[BUS] = bus  # type: ignore[misc]
    return app


OLD = State(status="finished", run="old")
RUNNING = State(status="running", run="new")
HELD_STATE = State(status="held", run="new")
OVERTIME = State(status="finished", run="new", after_zero="count")
OVER = State(status="cancelled", run="new")
LATE = BusTimeout("late")


async def test_a_start_is_answered_once_the_room_shows_it() -> None:
    bus = Bus(STARTED, [State(), OLD, OLD, RUNNING, RUNNING])
    assert bytes(await backend.start(app_on(bus), requests.Start())) == STARTED
    assert bus.states == [RUNNING]


async def test_a_cancel_is_answered_once_the_room_shows_it() -> None:
    bus = Bus(CANCELLED, [RUNNING, RUNNING, OVER, OVER])
    assert bytes(await backend.change(app_on(bus), CANCEL)) == CANCELLED
    assert bus.states == [OVER]


@pytest.mark.parametrize(("asked", "event", "change"), CHANGES)
async def test_a_change_is_answered_once_the_room_shows_it(
    asked: Hold | Resume | Adjust, event: bytes, change: str
) -> None:
    before = State(status="running", run="new", change="before")
    after = State(status="held", run="new", change=change)
    bus = Bus(event, [before, before, before, after, after])
    assert bytes(await backend.change(app_on(bus), asked)) == event
    assert bus.states == [after]


@pytest.mark.parametrize("next", [State(status="running", run="newer"), OVER])
async def test_nobody_waits_for_a_change_of_a_run_that_is_over(next: State) -> None:
    bus = Bus(HELD, [RUNNING, next, next])
    await backend.change(app_on(bus), Hold())
    assert bus.states == [next]


async def test_a_cancel_of_a_run_that_was_changed_is_answered_once_the_room_shows_it() -> None:
    changed = State(status="running", run="new", change="hold-1")
    cancelled = msgspec.json.decode(CANCELLED) | {"change": "hold-1"}
    bus = Bus(msgspec.json.encode(cancelled), [changed, changed, OVER, OVER])
    await backend.change(app_on(bus), CANCEL)
    assert bus.states == [OVER]


@pytest.mark.parametrize("states", [[], [OLD] * 1000])
async def test_a_start_that_no_coordinator_hears_of_is_answered_all_the_same(
    states: list[State],
) -> None:
    bus = Bus(STARTED, list(states))
    assert bytes(await backend.start(app_on(bus), requests.Start())) == STARTED
    assert len(bus.states) >= max(0, len(states) - backend.SHOWN_TRIES)


@pytest.mark.parametrize("error", [BusTimeout("late"), ServiceError(503, "the stream is away")])
async def test_a_start_without_an_answer_is_asked_again_as_the_same_one(error: Exception) -> None:
    bus = Bus(STARTED, [RUNNING], [error])
    await backend.start(app_on(bus), requests.Start())
    first, second = bus.asked
    assert first == second
    assert first["run"]


@pytest.mark.parametrize(("asked", "event", "change"), CHANGES)
async def test_a_change_without_an_answer_is_asked_again_as_the_same_one(
    asked: Hold | Resume | Adjust, event: bytes, change: str
) -> None:
    bus = Bus(event, [HELD_STATE, State(status="held", run="new", change=change)], [LATE])
    await backend.change(app_on(bus), asked)
    first, second = bus.asked
    assert first == second
    assert first["id"]
    assert first["run"] == "new"


async def test_every_start_is_another_one() -> None:
    bus = Bus(STARTED, [RUNNING, RUNNING])
    for _ in range(2):
        await backend.start(app_on(bus), requests.Start())
    assert bus.asked[0]["run"] != bus.asked[1]["run"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Hold(run="another"), "Another countdown"),
        (Resume(run="another"), "Another countdown"),
        (Resume(run="new"), "not held"),
        (Resume(), "not held"),
    ],
)
async def test_a_conflict_is_said_in_words(asked: Hold | Resume, words: str) -> None:
    bus = Bus(STARTED, [], [ServiceError(409, "conflict", STARTED)])
    with pytest.raises(Problem, match=words) as refusal:
        await backend.change(app_on(bus), asked)
    assert refusal.value.event is not None


@pytest.mark.parametrize("asked", [Hold(), Resume(), Adjust(seconds=5), CANCEL])
async def test_what_there_is_nothing_to_do_with_is_named(
    asked: Hold | Resume | Adjust | Cancel,
) -> None:
    doing = type(asked).__name__.lower()
    bus = Bus(STARTED, [], [ServiceError(404, "nothing")])
    with pytest.raises(Problem, match=f"nothing to {doing}"):
        await backend.change(app_on(bus), asked)


async def test_a_refusal_is_not_asked_again() -> None:
    bus = Bus(STARTED, [], [ServiceError(409, "run", STARTED)])
    with pytest.raises(Problem) as refusal:
        await backend.start(app_on(bus), requests.Start())
    assert (refusal.value.status, len(bus.asked)) == (409, 1)


@pytest.mark.parametrize("shown", [RUNNING, HELD_STATE, OVERTIME])
async def test_a_cancel_means_the_run_that_is_shown_also_when_it_is_asked_again(
    shown: State,
) -> None:
    bus = Bus(CANCELLED, [shown, OVER], [LATE])
    await backend.change(app_on(bus), CANCEL)
    assert [asked["run"] for asked in bus.asked] == ["new", "new"]


@pytest.mark.parametrize("states", [[], [OVER], [OLD]])
async def test_a_cancel_of_which_nobody_can_tell_the_run_is_asked_once(states: list[State]) -> None:
    bus = Bus(CANCELLED, states, [BusTimeout("late")])
    with pytest.raises(Problem) as refusal:
        await backend.change(app_on(bus), CANCEL)
    assert refusal.value.status == 503
    assert [asked["run"] for asked in bus.asked] == [None]


async def test_no_responders_may_be_busy_ones_and_are_asked_again_in_a_second() -> None:
    """NATS says the same of a service whose subscriptions are spent as of one that isn't there."""
    bus = Bus(STARTED, [], [NoResponders(subjects.START)])
    with pytest.raises(Problem) as caught:
        await backend.start(app_on(bus), requests.Start())
    assert caught.value.detail == "No scheduler takes requests at the moment: try again."
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "1")
