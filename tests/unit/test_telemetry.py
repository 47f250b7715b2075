"""Tracing is on by OpenTelemetry's own variables, and costs nothing without."""

import subprocess
import sys

import pytest

from runtime import telemetry

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    "environ",
    [
        ENDPOINT,
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"},
        {"OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_TRACES_EXPORTER": "console"},
        ENDPOINT | {"OTEL_SDK_DISABLED": "false", "OTEL_TRACES_EXPORTER": " "},
    ],
)
def test_it_is_on_if_spans_have_somewhere_to_go(environ: dict[str, str]) -> None:
    assert telemetry.is_on(environ)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_SERVICE_NAME": "tminus", "OTEL_TRACES_SAMPLER": "always_on"},
        ENDPOINT | {"OTEL_SDK_DISABLED": "True"},
        ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_else_it_is_off(environ: dict[str, str]) -> None:
    assert not telemetry.is_on(environ)


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        ENDPOINT | {"OTEL_BSP_MAX_QUEUE_SIZE": "1", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2"},
    ],
)
def test_variables_that_are_not_valid_are_logged_and_end_nothing(variables: dict[str, str]) -> None:
    program = (
        "import asyncio; from aiohttp import web; from runtime.exporting import exporting\n"
        "async def main():\n"
        "    async with exporting('scheduler', 'scheduler-1', web.Application()):\n"
        "        print('served')\n"
        "asyncio.run(main())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], env=variables, capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, "served" in ran.stdout) == (0, True), ran.stderr
    assert "OTEL_* is not valid" in ran.stdout
