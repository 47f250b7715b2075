"""Asked again on the bus, the same answer: a start or cancel that is repeated is done once."""

import json
import time
from typing import Any

import pytest
from nats.aio.client import Client

from support.bus_client import ask, history
from support.nats_server import NatsServer
from support.served import Serve
from support.waiting import until

LONG = {"from": 600}


@pytest.fixture
def nats_server(deployed_nats_server: NatsServer) -> NatsServer:
    """As it is deployed."""
    return deployed_nats_server


@pytest.mark.parametrize("end", ["scheduled", "running", "finished", "cancelled"])
async def test_a_start_is_answered_as_before_by_any_scheduler_also_after_a_restart(
    serve_scheduler: Serve, bus: Client, operator: Client, end: str
) -> None:
    terms: dict[str, Any] = {"run": "mine", "from": 2, "interval_ms": 100}
    if end == "scheduled":
        terms["starts_at"] = int(time.time() * 1000) + 3_600_000
    elif end != "finished":
        terms["interval_ms"] = 60_000
    first = await serve_scheduler()
    code, started = await ask(bus, "scheduler.start", **terms)
    assert (code, started["run"]) == (200, "mine")
    if end == "cancelled":
        assert (await ask(bus, "scheduler.cancel", run="mine"))[0] == 200
    count = {"scheduled": 1, "running": 2, "finished": 4, "cancelled": 2}[end]

    async def has_come_to_it() -> bool:
        return len(await history(operator)) >= count

    await until(has_come_to_it)
    await serve_scheduler(instance="scheduler-2")
    for n in range(6):
        if n == 3:
            await first.close()  # before that, either answers
        code, again = await ask(bus, "scheduler.start", **terms)
        assert (code, again | {"by": ""}) == (200, started | {"by": ""})
    assert [e["type"] for e in await history(operator)].count("started") == 1


async def test_the_same_run_with_other_terms_is_422_with_the_run(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    _, started = await ask(bus, "scheduler.start", run="mine", **LONG)
    for other in (
        {"from": 599},
        {"interval_ms": 500, **LONG},
        {"starts_at": 1, **LONG},
        {"after_zero": "count", **LONG},
    ):
        code, last = await ask(bus, "scheduler.start", run="mine", **other)
        assert (code, last["run"], last["from"]) == (422, "mine", 600)
    starts_at = started["starts_at"]
    assert (await ask(bus, "scheduler.start", run="mine", starts_at=starts_at, **LONG))[0] == 200
    code, last = await ask(bus, "scheduler.start", run="another", **LONG)
    assert (code, last["run"]) == (409, "mine")


@pytest.mark.parametrize("run", ["", "x" * 37, 5])
@pytest.mark.parametrize("subject", ["start", "hold", "resume", "adjust", "cancel"])
async def test_a_run_that_is_no_run_s_id_is_named(
    serve_scheduler: Serve, bus: Client, subject: str, run: object
) -> None:
    await serve_scheduler()
    asked = json.dumps({"run": run, "seconds": 1}).encode()
    reply = await bus.request(f"scheduler.{subject}", asked, timeout=5)
    headers = reply.headers or {}
    assert headers["Nats-Service-Error-Code"] == "400"
    assert headers["Nats-Service-Error"].startswith("run: ")


async def test_a_cancel_that_names_a_run_never_cancels_the_next(
    serve_scheduler: Serve, bus: Client, operator: Client
) -> None:
    await serve_scheduler()
    await ask(bus, "scheduler.start", run="first", **LONG)
    _, cancelled = await ask(bus, "scheduler.cancel", run="first")
    assert await ask(bus, "scheduler.cancel", run="first") == (200, cancelled)
    await ask(bus, "scheduler.start", run="second", **LONG)
    code, last = await ask(bus, "scheduler.cancel", run="first")
    assert (code, last["run"]) == (409, "second")
    assert (await history(operator))[-1]["type"] != "cancelled"
    assert (await ask(bus, "scheduler.cancel"))[1]["run"] == "second"
    assert (await ask(bus, "scheduler.cancel", run="first"))[0] == 404
