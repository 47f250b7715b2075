"""Counting what came over HTTP and was refused: not valid, not allowed, no HTTP at all."""

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from prometheus_client import Counter

_refused = Counter("tminus_http_refused_total", "Requests answered with an error.", ["status"])


class ErrorCounter(AbstractAccessLogger):
    """In the place of an access log: it sees every answer, that to bytes that are no HTTP too."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Count the answer where it is an error; `time` is in seconds."""
        del request, time
        if response.status >= 400:
            _refused.labels(response.status).inc()
