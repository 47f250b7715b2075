"""Tracing by OpenTelemetry: on by the standard `OTEL_*` variables, and not even imported without.

`OTEL_TRACES_EXPORTER`, or the address of a collector, `OTEL_EXPORTER_OTLP_ENDPOINT`, switches it on
(docs/tracing.md). Everything else that OpenTelemetry's SDK reads, it reads itself.
"""

import os
from collections.abc import Mapping
from functools import partial

from aiohttp import web
from structlog.typing import EventDict, Processor, WrappedLogger

from .settings import Settings


def is_on(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment says where spans are to be sent; a variable that is empty counts as
    not set."""

    def value(name: str) -> str:
        return environ.get(name, "").strip().lower()

    if value("OTEL_SDK_DISABLED") == "true":
        return False
    exporter = value("OTEL_TRACES_EXPORTER")
    endpoint = value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or value("OTEL_EXPORTER_OTLP_ENDPOINT")
    return bool(exporter or endpoint) and exporter != "none"


def trace(app: web.Application, service: str, settings: Settings) -> None:
    """Export the spans of `app` for as long as it runs, if tracing is on. Call it when all other
    contexts are there: this one is left last, so that the spans of their ends are exported, too."""
    if is_on():
        from .exporting import exporting

        app.cleanup_ctx.insert(0, partial(exporting, service, settings.instance))


def trace_requests(app: web.Application) -> None:
    """Give each HTTP request a span, outside of the other middlewares, if tracing is on."""
    if is_on():
        from .http_spans import traced

        app.middlewares.insert(0, traced)


def log_processors() -> list[Processor]:
    """What adds the ids of the current span to each line of the log, if tracing is on."""
    return [_add_ids] if is_on() else []


def _add_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the ids of the current span, unless the line has some."""
    from opentelemetry import trace as api

    context = api.get_current_span().get_span_context()
    if context.is_valid and "trace_id" not in event:
        event["trace_id"] = api.format_trace_id(context.trace_id)
        event["span_id"] = api.format_span_id(context.span_id)
    return event
