"""What the frontend asks of the services: who looks right after a command sees what it did."""

import msgspec
import pytest
from aiohttp import web

from bus.connection import BUS
from bus.errors import NoResponders
from frontend import backend
from protocol import events, requests, subjects
from protocol.events import Cancelled, Started
from protocol.frames import RoomReply, Screens, State

TERMS = {"room": "main", "run": "new", "from_": 10, "interval_ms": 1000, "starts_at": 1}
STARTED = events.encode(Started(**TERMS, by="scheduler-1"))  # type: ignore[arg-type]
CANCELLED = events.encode(Cancelled(**TERMS, by="scheduler-1", remaining=7))  # type: ignore[arg-type]


class Bus:
    """A scheduler that stores at once, and a coordinator that hears of it some questions later."""

    def __init__(self, event: bytes, states: list[State]) -> None:
        self._event = event
        self.states = states

    async def ask(self, subject: str, payload: bytes, timeout: float) -> bytes:
        del payload, timeout
        if subject != subjects.ROOM:
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
