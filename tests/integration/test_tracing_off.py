"""Tracing that is off costs nothing, and one whose collector is in trouble delays nothing."""

import json
import socket
import time
from contextlib import AsyncExitStack

import pytest
from nats.aio.client import Client

from support.nats_server import NatsServer
from support.ports import free_port
from support.served import Serving
from support.traced import Stack, post, status
from support.waiting import until

NAMING = """
import atexit, sys
def tell():
    print(*(name for name in sys.modules if "opentelemetry" in name), "were all", file=sys.stderr)
atexit.register(tell)
from {}.__main__ import main
main()
"""
"""A service that tells in the end what it has imported of OpenTelemetry."""


async def test_without_an_exporter_nothing_is_imported_and_no_header_is_stored(
    deployed_nats_server: NatsServer,
    serving: Serving,
    operator: Client,
) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_SERVICE_NAME": "tminus"}
    stack = Stack(deployed_nats_server.url, serving, settings, NAMING)
    async with AsyncExitStack() as leaving:
        await stack.start(leaving)
        terms = {"from": "1", "interval_ms": "100"}
        assert await post(stack.url("frontend-1", "/r/main/start"), terms) == 303
        jetstream = operator.jetstream()

        async def is_over() -> bool:
            return (await jetstream.stream_info("COUNTDOWN")).state.messages == 3

        await until(is_over)
        entries = [await jetstream.get_msg("COUNTDOWN", seq) for seq in (1, 2, 3)]
        for process in stack.processes.values():
            assert await process.stop() == 0
            assert process.log().splitlines()[-1] == "were all"
    for entry in entries:
        assert list(entry.headers or {}) == ["Nats-Expected-Last-Subject-Sequence"]
        assert "trace" not in json.loads(entry.data or b"")


@pytest.mark.parametrize("backlog", [None, 8], ids=["away", "hanging"])
async def test_a_collector_that_is_away_or_hangs_delays_no_request_and_no_end(
    serving: Serving, backlog: int | None
) -> None:
    with socket.socket() as collector:
        collector.bind(("127.0.0.1", 0))
        if backlog is not None:
            collector.listen(backlog)
        port, address = free_port(), collector.getsockname()
        endpoint = f"http://127.0.0.1:{address[1]}"
        settings = {"otel_exporter_otlp_endpoint": endpoint, "otel_bsp_schedule_delay": 1}
        async with serving("frontend", port=port, **settings) as process:
            url = f"http://127.0.0.1:{port}"

            async def is_alive() -> bool:
                return await status(f"{url}/healthz") == 200

            await until(is_alive)
            for _ in range(100):
                assert await status(f"{url}/api/time") == 200
            began = time.monotonic()
            assert await process.stop() == 0
            assert time.monotonic() - began < 8
            assert process.log().count("traces are not exported") <= 2
            assert "Traceback" not in process.log()
