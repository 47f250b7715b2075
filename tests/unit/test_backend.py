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
from protocol.events import Cancelled, Started
from protocol.frames import RoomReply, Screens, State

TERMS = {"room": "main", "run": "new", "from_": 10, "interval_ms": 1000, "starts_at": 1}
STARTED = events.encode(Started(**TERMS, by="scheduler-1"))  # type: ignore[arg-type]
CANCELLED = events.encode(Cancelled(**TERMS, by="scheduler-1", remaining=7))  # type: ignore[arg-type]


class Bus:
    """A scheduler that stores at once, and a coordinator that hears of it some questions later."""

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
OVER = State(status="cancelled", run="new")


async def test_a_start_is_answered_once_the_room_shows_it() -> None:
    bus = Bus(STARTED, [State(), OLD, OLD, RUNNING, RUNNING])
    assert bytes(await backend.start(app_on(bus), requests.Start())) == STARTED
    assert bus.states == [RUNNING]


async def test_a_cancel_is_answered_once_the_room_shows_it() -> None:
    bus = Bus(CANCELLED, [RUNNING, RUNNING, OVER, OVER])
    assert bytes(await backend.cancel(app_on(bus), "main")) == CANCELLED
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


async def test_every_start_is_another_one() -> None:
    bus = Bus(STARTED, [RUNNING, RUNNING])
    for _ in range(2):
        await backend.start(app_on(bus), requests.Start())
    assert bus.asked[0]["run"] != bus.asked[1]["run"]


async def test_a_refusal_is_not_asked_again() -> None:
    bus = Bus(STARTED, [], [ServiceError(409, "run", STARTED)])
    with pytest.raises(Problem) as refusal:
        await backend.start(app_on(bus), requests.Start())
    assert (refusal.value.status, len(bus.asked)) == (409, 1)


async def test_a_cancel_means_the_run_that_is_shown_also_when_it_is_asked_again() -> None:
    bus = Bus(CANCELLED, [RUNNING, OVER], [BusTimeout("late")])
    await backend.cancel(app_on(bus), "main")
    assert [asked["run"] for asked in bus.asked] == ["new", "new"]


@pytest.mark.parametrize("states", [[], [OVER]])
async def test_a_cancel_of_which_nobody_can_tell_the_run_is_asked_once(states: list[State]) -> None:
    bus = Bus(CANCELLED, states, [BusTimeout("late")])
    with pytest.raises(Problem) as refusal:
        await backend.cancel(app_on(bus), "main")
    assert refusal.value.status == 503
    assert [asked["run"] for asked in bus.asked] == [None]


async def test_no_responders_may_be_busy_ones_and_are_asked_again_in_a_second() -> None:
    """NATS says the same of a service whose subscriptions are spent as of one that isn't there."""
    bus = Bus(STARTED, [], [NoResponders(subjects.START)])
    with pytest.raises(Problem) as caught:
        await backend.start(app_on(bus), requests.Start())
    assert caught.value.detail == "No scheduler takes requests at the moment: try again."
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "1")
