"""Exporting spans: by a thread of its own, from a bounded queue, so that no service waits for it.

A collector that is away, slow or wrong costs spans and a line in the log, nothing else. Imported
only while tracing is on.
"""

import logging
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from aiohttp import web
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

from .logs import logger

log = logger(__name__)

LAST_SECONDS = 2.0
"""How long the last spans may take when the service ends; what is left then is lost."""
TELL_SECONDS = 60.0
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


@asynccontextmanager
async def exporting(service: str, instance: str, _app: web.Application) -> AsyncIterator[None]:
    """Export this process's spans, in the name of `service`, for as long as it runs."""
    trouble = _Trouble(service, instance)
    logging.getLogger("opentelemetry").addHandler(trouble)
    logging.getLogger("opentelemetry").propagate = False
    provider = _provider(service, instance)
    if provider is not None:
        trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        if provider is not None:
            _shut_down(provider)
        logging.getLogger("opentelemetry").removeHandler(trouble)


class _Trouble(logging.Handler):
    """What goes wrong with the export, one line a minute for each kind: it may do so for ever, and
    in threads, whose lines would not say which service it is."""

    def __init__(self, service: str, instance: str) -> None:
        super().__init__(logging.WARNING)
        self._log = log.bind(service=service, instance=instance)
        self._told_at: dict[tuple[str, int], float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        kind = record.name, record.lineno
        if now - self._told_at.get(kind, -TELL_SECONDS) >= TELL_SECONDS:
            self._told_at[kind] = now
            reason = record.getMessage().partition("\n")[0]
            self._log.warning("traces are not exported", reason=reason[:200])


def _provider(service: str, instance: str) -> TracerProvider | None:
    """None if the variables are not valid: that ends no service, but is logged."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        if not os.environ[name].strip():
            del os.environ[name]  # to the standard it is not set, to the SDK it is not valid
    try:
        provider = TracerProvider(resource=_resource(service, instance), shutdown_on_exit=False)
        for exporter in _exporters(os.environ.get("OTEL_TRACES_EXPORTER", "otlp")):
            provider.add_span_processor(BatchSpanProcessor(exporter))
    except ValueError as error:
        log.warning("no traces: OTEL_* is not valid", reason=str(error))
        return None
    return provider


def _resource(service: str, instance: str) -> Resource:
    """Who this process is; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence."""
    own = {
        "service.name": service,
        "service.namespace": "tminus",
        "service.version": version(f"tminus-{service}"),
        "service.instance.id": instance,
    }
    return Resource.create(own).merge(OTELResourceDetector().detect())


def _exporters(names: str) -> list[SpanExporter]:
    """The exporters of OTEL_TRACES_EXPORTER; raises ValueError if there is none of a name."""
    return [_exporter(name.strip().lower()) for name in names.split(",")]


def _exporter(name: str) -> SpanExporter:
    match name:
        case "otlp":
            protocol = next((os.environ[it] for it in PROTOCOLS if it in os.environ), "")
            if protocol not in ("", "http/protobuf"):
                raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol!r}: http/protobuf only")
            return OTLPSpanExporter()
        case "console":
            return ConsoleSpanExporter()
        case _:
            raise ValueError(f"OTEL_TRACES_EXPORTER={name!r}: otlp, console or none")


def _shut_down(provider: TracerProvider) -> None:
    """Export what is left. An export that hangs is left alone: its thread ends with the process."""
    ending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    ending.start()
    ending.join(LAST_SECONDS)
