"""An older version of the services beside a newer one, which knows events of other types."""

import asyncio
import json

from nats.aio.client import Client

from support.bus_client import ask, history
from support.served import Serve
from support.viewer import is_last_tick, viewing

EXPECTED = "Nats-Expected-Last-Subject-Sequence"


async def store(bus: Client, event: dict[str, object]) -> None:
    """Append to the room's history as a newer scheduler does."""
    jetstream = bus.jetstream()
    for _ in range(20):  # ticks come in between
        last = await jetstream.get_last_msg("COUNTDOWN", "countdown.main.events")
        answer = await bus.request(
            "countdown.main.events",
            json.dumps(event).encode(),
            headers={EXPECTED: str(last.seq)},
        )
        if "error" not in json.loads(answer.data):
            return
    raise AssertionError("it was never stored")


async def test_nobody_ticks_over_what_only_a_newer_scheduler_understands(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    server = await serve_coordinator()
    async with viewing(server) as viewer:
        _, started = await ask(bus, "scheduler.start", interval_ms=100)
        last = await viewer.until(lambda f: f["type"] == "tick" and f["remaining"] == 8)
        scrubbed = {"type": "scrubbed", "room": "main", "run": started["run"], "left_ms": 40}
        await store(bus, scrubbed)
        passed_on = await viewer.until(lambda f: f["type"] == "scrubbed")
        assert {name: passed_on[name] for name in scrubbed} == scrubbed
        assert passed_on["seq"] > last["seq"]
        shown = viewer.ticks[-1]

        for subject in ("scheduler.start", "scheduler.cancel"):
            assert (await ask(bus, subject))[0] == 503
        await asyncio.sleep(0.5)  # five more ticks would have been due
        assert (await history(bus))[-1]["type"] == "scrubbed"
        assert (await ask(bus, "coordinator.room"))[1]["state"]["status"] == "unknown"

        async with viewing(server) as newcomer:
            hello = await newcomer.frame()
            assert hello["state"]["status"] == "unknown"
            assert (await newcomer.until(lambda f: f["type"] == "scrubbed"))["left_ms"] == 40

        # The newer scheduler goes on with the run by an event that all know.
        tick = started | {"type": "tick", "remaining": shown - 1, "due": 1, "emitted": 1}
        await store(bus, tick)
        await viewer.until(is_last_tick)
    assert viewer.ticks == list(range(10, -1, -1))
