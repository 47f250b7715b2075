"""Traces over NATS: their context in a message's headers, and a span for each step of a message.

OpenTelemetry has no instrumentation of NATS. This one needs nothing but opentelemetry-api, so it
can be copied. The headers are those of W3C Trace Context; names and attributes follow the semantic
conventions for messaging (opentelemetry.io/docs/specs/semconv/messaging/messaging-spans):

* A message is published (`sending`, PRODUCER) and processed (`processing`, CONSUMER).
* A request is asked (`asking`, CLIENT) and answered (`answering`, SERVER), since its sender waits.
* Messages that are handled together have one span (`handling`), a child of the first and linked to
  the others.

A service imports this only while tracing is on; else its `Bus.tracing` is None.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    Tracer,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Attributes = Mapping[str, str | int | float | bool]

MESSAGE_ID: Final = "messaging.message.id"

_LINE: Final = re.compile(rb"\r\n(traceparent|tracestate):[ \t]*([^\r\n]*)", re.IGNORECASE)


class _Headers(Getter[Mapping[str, str]]):
    """Reads the headers of a message: their names are case-insensitive to W3C, not to NATS."""

    def get(self, carrier: Mapping[str, str], key: str) -> list[str] | None:
        return [value for name, value in carrier.items() if name.lower() == key] or None

    def keys(self, carrier: Mapping[str, str]) -> list[str]:
        return list(carrier)


_propagator = TraceContextTextMapPropagator()
_headers = _Headers()


def inject(headers: dict[str, str]) -> None:
    """Add the context of the current span, if there is one, to the headers of a message."""
    _propagator.inject(headers)


def extract(headers: Mapping[str, str]) -> SpanContext | None:
    """The context that the headers of a message carry; None if it is none, or malformed."""
    found = trace.get_current_span(_propagator.extract(headers, Context(), getter=_headers))
    return found.get_span_context() if found.get_span_context().is_valid else None


def extract_block(block: bytes) -> SpanContext | None:
    """The same of a message's block of headers as it is on the wire."""
    lines = _LINE.findall(block)
    return extract({name.decode(): value.decode("latin-1") for name, value in lines})


def parse(traceparent: str) -> SpanContext | None:
    """The context of a W3C `traceparent`; None if it is malformed."""
    return extract({"traceparent": traceparent})


def traceparent_of(context: SpanContext) -> str:
    """The W3C `traceparent` of a context."""
    headers: dict[str, str] = {}
    _propagator.inject(headers, trace.set_span_in_context(NonRecordingSpan(context), Context()))
    return headers["traceparent"]


class Tracing:
    """The spans of one service's messages."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        """By default the spans are this process's."""
        self._tracer = tracer or trace.get_tracer("bus.tracing")

    def current(self) -> SpanContext | None:
        """The current span's context, if somebody will see that span."""
        context = trace.get_current_span().get_span_context()
        return context if context.trace_flags.sampled else None

    @contextmanager
    def asking(self, subject: str, headers: dict[str, str]) -> Iterator[None]:
        """A request, until its reply; only within a trace, whose context is added to `headers`."""
        if not trace.get_current_span().get_span_context().is_valid:
            yield
            return
        attributes = _attributes("request", "send", subject)
        with self._span(f"request {subject}", SpanKind.CLIENT, attributes):
            inject(headers)
            yield

    @contextmanager
    def answering(
        self, subject: str, headers: Mapping[str, str], *, is_trusted: bool
    ) -> Iterator[None]:
        """The answer to a request.

        A requester who is trusted decides whether it belongs to a trace, and to which. For another
        one it begins a trace, linked to what he says that his is.
        """
        context, asker = Context(), extract(headers)
        if is_trusted:
            if asker is None:
                yield
                return
            context, asker = _within(asker), None
        attributes = _attributes("process", "process", subject)
        # A stranger's state may be kilobytes, and spans wait to be exported.
        links = [] if asker is None else [Link(_without_state(asker))]
        with self._span(f"process {subject}", SpanKind.SERVER, attributes, context, links):
            yield

    @contextmanager
    def sending(
        self,
        subject: str,
        template: str,
        headers: dict[str, str],
        attributes: Attributes,
        *,
        parent: SpanContext | None,
        link: SpanContext | None,
        expected: type[Exception],
    ) -> Iterator[Span]:
        """A message that is published; its context is added to `headers`, if it is sampled.

        `parent` is the span that causes it; without one it begins a trace. `template` is `subject`
        with names in place of what varies. An exception that is `expected` is no error.
        """
        context = Context() if parent is None else _within(parent)
        known = _attributes("publish", "send", subject, template)
        with self._span(
            f"publish {template}",
            SpanKind.PRODUCER,
            {**known, **attributes},
            context,
            _links(link),
            expected,
        ) as span:
            if span.is_recording():
                inject(headers)
            yield span

    @contextmanager
    def processing(
        self, subject: str, template: str, block: bytes, attributes: Attributes
    ) -> Iterator[None]:
        """A message that has come, with its block of headers; only if these carry a context."""
        sender = extract_block(block)
        if sender is None:
            yield
            return
        known = _attributes("process", "process", subject, template)
        with self._span(
            f"process {template}", SpanKind.CONSUMER, {**known, **attributes}, _within(sender)
        ):
            yield

    @contextmanager
    def handling(
        self, name: str, causes: Sequence[SpanContext], attributes: Attributes
    ) -> Iterator[None]:
        """What several messages cause together: a child of the first one's, linked to the others';
        no span without any."""
        if not causes:
            yield
            return
        links = [Link(cause) for cause in causes[1:]]
        with self._span(name, SpanKind.INTERNAL, attributes, _within(causes[0]), links):
            yield

    def past(
        self, name: str, cause: SpanContext, start_ns: int, end_ns: int, attributes: Attributes
    ) -> None:
        """What happened elsewhere, because of `cause`, and was told; in ns since the Unix epoch."""
        span = self._tracer.start_span(
            name, _within(cause), attributes=attributes, start_time=start_ns
        )
        span.end(end_ns)

    @contextmanager
    def covering(self, name: str) -> Iterator[None]:
        """One span for requests that are too many to have one each."""
        with self._span(name, SpanKind.INTERNAL, {}):
            token = contexts.attach(Context())
            try:
                yield
            finally:
                contexts.detach(token)

    @contextmanager
    def _span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        context: Context | None = None,
        links: Sequence[Link] = (),
        expected: type[Exception] | tuple[()] = (),
    ) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name,
            context,
            kind,
            attributes,
            links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except Exception as error:
                code = getattr(error, "code", None)
                is_ours = isinstance(code, int) and code < 500 and kind is SpanKind.SERVER
                span.set_attribute("error.type", str(code or type(error).__name__))
                if not is_ours and not isinstance(error, expected):
                    span.set_status(StatusCode.ERROR, str(error)[:200])
                raise


def _without_state(context: SpanContext) -> SpanContext:
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


def _within(parent: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(parent), Context())


def _links(to: SpanContext | None) -> list[Link]:
    return [] if to is None else [Link(to)]


def _attributes(
    name: str, kind: str, subject: str, template: str = ""
) -> dict[str, str | int | float | bool]:
    attributes: dict[str, str | int | float | bool] = {
        "messaging.system": "nats",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": subject,
    }
    if template:
        attributes["messaging.destination.template"] = template
    return attributes
