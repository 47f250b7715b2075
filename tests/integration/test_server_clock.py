"""A scheduler's clock beside the NATS server's."""

import re

import aiohttp
import pytest
from nats.aio.client import Client
from structlog.testing import capture_logs

from bus.connection import BUS
from runtime import clock
from scheduler.server_clock import least_ahead_ms
from support.bus_client import ask, history
from support.served import Serve, metric, until_ready
from support.waiting import until


@pytest.mark.parametrize(
    ("wrong_ms", "side"),
    [(5500.0, "ahead of"), (-5500.0, "behind")],
)
async def test_a_scheduler_whose_clock_is_wrong_says_so_once_in_the_log_and_goes_on(
    serve_scheduler: Serve,
    bus: Client,
    monkeypatch: pytest.MonkeyPatch,
    wrong_ms: float,
    side: str,
) -> None:
    server = await serve_scheduler()
    assert abs(await metric(server, "tminus_clock_offset_seconds")) < 1
    with capture_logs() as log, monkeypatch.context() as wrong:
        wrong.setattr("bus.reports.now_ms", lambda: clock.now_ms() + wrong_ms)
        await until_ready(server, status=503)
        async with (
            aiohttp.ClientSession() as session,
            session.get(server.make_url("/readyz")) as answer,
        ):
            reason = (await answer.json())["reason"]
        assert re.fullmatch(rf"the clock is 5\.\d s {side} the NATS server's", reason)
        offset = await metric(server, "tminus_clock_offset_seconds")
        assert offset == pytest.approx(wrong_ms / 1000, abs=0.5)
        assert (await ask(bus, "scheduler.start", **{"from": 3, "interval_ms": 100}))[0] == 200

        async def is_finished() -> bool:
            return [e.get("remaining") for e in await history(bus)] == [None, 3, 2, 1, 0]

        await until(is_finished)
        for _ in range(3):
            await server.app[BUS].reports.next()
    (line,) = [line for line in log if line["event"] == "the clock and the NATS server's differ"]
    assert line["ahead_ms"] == pytest.approx(wrong_ms, abs=500)
    await until_ready(server)


@pytest.mark.parametrize(
    ("asked_at", "server", "answered_at", "ahead"),
    [
        (100, 110, 120, 0),
        (100, 100, 100, 0),
        (5100, 100, 5120, 5000),
        (100, 5100, 120, -4980),
        (100, 150, 5100, 0),  # a slow answer says nothing about the clock
    ],
)
def test_a_slow_answer_is_no_wrong_clock(
    asked_at: float, server: float, answered_at: float, ahead: float
) -> None:
    assert least_ahead_ms(asked_at, server, answered_at) == ahead
