"""Counting HTTP requests that were refused: invalid, not allowed, or not HTTP at all."""

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from prometheus_client import Counter

refused = Counter("tminus_http_refused_total", "Requests answered with an error.", ["status"])


class ErrorCounter(AbstractAccessLogger):
    """An access log that counts errors: aiohttp calls it for every response, to non-HTTP bytes
    too."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Count the response if it is an error; `time` is in seconds."""
        del request, time
        if response.status >= 400:
            refused.labels(response.status).inc()
