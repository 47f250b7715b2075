"""Runs that are held and that nobody resumes: cancelled after a while, which is short here."""

from nats.aio.client import Client

from support.bus_client import ask, history
from support.served import Serve
from support.viewer import viewing
from support.waiting import until

MAX_HOLD_SECONDS = 1
KINDS = ["started", "tick", "held", "cancelled"]


async def hold(bus: Client, room: str = "main") -> None:
    """Have a run held, after its first tick."""
    assert (await ask(bus, "scheduler.start", room=room, interval_ms=60_000))[0] == 200

    async def has_begun() -> bool:
        return [event["type"] for event in await history(bus, room)] == KINDS[:2]

    await until(has_begun)
    assert (await ask(bus, "scheduler.hold", room=room))[0] == 200


async def cancelled(bus: Client, room: str = "main") -> dict[str, object]:
    """The event that cancels the held run, once it is stored."""
    found: list[dict[str, object]] = []

    async def is_stored() -> bool:
        found[:] = await history(bus, room)
        return found[-1]["type"] == "cancelled"

    await until(is_stored)
    assert [event["type"] for event in found] == KINDS
    return found[-1]


async def test_a_run_that_nobody_resumes_is_cancelled_once_and_its_viewers_are_told(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    for number in range(3):
        await serve_scheduler(
            instance=f"scheduler-{number}", max_hold_seconds=MAX_HOLD_SECONDS, max_runs=1
        )
    coordinator = await serve_coordinator()
    async with viewing(coordinator) as viewer:
        await hold(bus)
        event = await cancelled(bus)
        assert (event["remaining"], event.get("held_at")) == (10, None)
        frame = await viewer.until(lambda frame: frame["type"] == "cancelled")
        assert frame["seq"] == event["seq"]
        _, reply = await ask(bus, "coordinator.room")
        assert reply["state"]["status"] == "cancelled"

    async def is_its_place_free() -> bool:
        return (await ask(bus, "scheduler.start", room="another"))[0] == 200

    await until(is_its_place_free)


async def test_a_run_that_was_held_while_no_scheduler_lived_is_cancelled_by_the_next(
    serve_scheduler: Serve, bus: Client
) -> None:
    first = await serve_scheduler()
    await hold(bus)
    await first.close()
    await serve_scheduler(instance="scheduler-2", max_hold_seconds=MAX_HOLD_SECONDS)
    assert (await cancelled(bus))["by"] == "scheduler-2"
