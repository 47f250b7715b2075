"""A collector of traces for tests: it receives OTLP over HTTP, and keeps the spans."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from .waiting import WAIT_SECONDS

Value = str | int | float | bool


@dataclass(frozen=True)
class Span:
    """A span; the ids are W3C's hexadecimal, `parent` is empty at the beginning of a trace."""

    service: str
    version: str
    instance: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, Value]
    is_error: bool

    @property
    def shown(self) -> str:
        return f"{self.service} {self.name}"


class Collector:
    """Keeps what was exported to it."""

    port: int

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._came = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str | int]:
        """The settings of a service that exports here, without much delay."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": 50}

    def of(self, shown: str) -> list[Span]:
        """The spans of a service and a name, in the order in which they came."""
        return [span for span in self.spans if span.shown == shown]

    def by_id(self, id: str) -> Span | None:
        return next((span for span in self.spans if span.id == id), None)

    def ancestors(self, span: Span) -> list[str]:
        """What a span descends from, itself first."""
        found = [span.shown]
        while (above := self.by_id(span.parent)) is not None:
            span = above
            found.append(span.shown)
        return found

    async def until(self, is_so: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        """Wait for more spans until a condition is met."""
        try:
            async with asyncio.timeout(seconds):
                while not is_so():
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            shown = "\n".join(f"{span.shown} {span.attributes}" for span in self.spans)
            raise AssertionError(f"these spans came:\n{shown}") from None

    async def receive(self, request: web.Request) -> web.Response:
        exported = ExportTraceServiceRequest.FromString(await request.read())
        for resource in exported.resource_spans:
            about = _attributes(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [_span(about, span) for span in scope.spans]
        self._came.set()
        return web.Response(content_type="application/x-protobuf")


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector on a free port."""
    collector = Collector()
    app = web.Application()
    app.add_routes([web.post("/v1/traces", collector.receive)])
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        collector.port = runner.addresses[0][1]
        yield collector
    finally:
        await runner.cleanup()


def _span(about: dict[str, Value], span: trace_pb2.Span) -> Span:
    return Span(
        service=str(about["service.name"]),
        version=str(about["service.version"]),
        instance=str(about["service.instance.id"]),
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        attributes=_attributes(span.attributes),
        is_error=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
    )


def _attributes(pairs: object) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for pair in pairs:  # type: ignore[attr-defined]  # protobuf's containers
        assert isinstance(pair, KeyValue)
        kind = pair.value.WhichOneof("value")
        found[pair.key] = getattr(pair.value, kind) if kind else ""
    return found
