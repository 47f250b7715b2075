"""A span for each HTTP request, by OpenTelemetry's conventions for HTTP servers.

OpenTelemetry's own instrumentation of aiohttp servers does not suit: it replaces `web.Application`,
it continues any trace that a stranger names, sampled or not as he likes, and it records the query,
in which links carry rights. Here a request is the beginning of a trace, of which the sampler of
this deployment decides; the stranger's is a link. Imported only while tracing is on.
"""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

UNTRACED = ("/healthz", "/readyz", "/metrics", "/static/")
"""Routes that begin like this get no span: nobody's click, and many of them."""
PATH_CHARACTERS = 200
"""As much of a path is recorded; a stranger's may be 32 KiB."""

_tracer = trace.get_tracer("runtime.http_spans")
_propagator = TraceContextTextMapPropagator()


@web.middleware
async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle the request within a span of its own."""
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else ""
    if route.startswith(UNTRACED):
        return await handler(request)
    method = request.method if request.method in hdrs.METH_ALL else "_OTHER"
    name = method.replace("_OTHER", "HTTP")
    attributes = {
        "http.request.method": method,
        "url.path": request.path[:PATH_CHARACTERS],
        "url.scheme": request.scheme,
    }
    if route:
        name, attributes["http.route"] = f"{name} {route}", route
    with _tracer.start_as_current_span(
        name,
        context=Context(),
        kind=SpanKind.SERVER,
        attributes=attributes,
        links=_links(request),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        status = 500
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_attribute("error.type", str(status))
                span.set_status(StatusCode.ERROR)
    return response


def _links(request: web.Request) -> list[Link]:
    """What the caller says that its own trace is."""
    context = _propagator.extract(request.headers, Context())
    caller = trace.get_current_span(context).get_span_context()
    if not caller.is_valid:
        return []
    # Without his state, which may be kilobytes: spans wait to be exported.
    return [Link(SpanContext(caller.trace_id, caller.span_id, is_remote=True))]
