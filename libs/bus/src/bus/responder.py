"""A service on the bus (the `nats micro` protocol): endpoints that take bytes and give bytes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Never

from nats.micro import add_service
from nats.micro.request import Request
from prometheus_client import Counter

from runtime.clock import whole_now_ms
from runtime.logs import logger

from .client import Client
from .connection import ANSWER_BY, Bus
from .errors import BusError, ServiceError, bus_errors

log = logger(__name__)

Handler = Callable[[bytes], Awaitable[bytes]]

RETRY_SECONDS = 0.25
LAST_REQUESTS_SECONDS = 2.0
"""How long requests in flight may still take when the service ends."""

_answers = Counter("tminus_requests_total", "Requests answered on the bus.", ["subject", "code"])


class Responder:
    """Serves `endpoints` (handlers by subject) as the service `name`."""

    def __init__(
        self, bus: Bus, name: str, description: str, endpoints: Mapping[str, Handler], instance: str
    ) -> None:
        self._bus = bus
        self._name = name
        self._description = description
        self._endpoints = endpoints
        self._instance = instance
        self._is_serving = False

    def check(self) -> str | None:
        """For `/readyz`."""
        return None if self._is_serving else "not answering on the bus yet"

    async def run(self, ready: Callable[[], Awaitable[object]]) -> Never:
        """Serve for ever, once `ready`."""
        await ready()
        while True:
            client = await self._bus.connected()
            with suppress(BusError), bus_errors(self._name):
                await self._serve(client)
            await asyncio.sleep(RETRY_SECONDS)

    async def _serve(self, client: Client) -> None:
        """Serve until `client` is closed for good."""
        # One request at a time per endpoint: holding all the locks means that none is in flight.
        locks = {subject: asyncio.Lock() for subject in self._endpoints}
        service = await add_service(
            client,
            name=self._name,
            version=version(f"tminus-{self._name}"),
            description=self._description,
            metadata={"instance": self._instance},
        )
        try:
            for subject, handler in self._endpoints.items():
                await service.add_endpoint(
                    name=subject.rpartition(".")[2],
                    subject=subject,
                    handler=_answering(subject, handler, locks[subject]),
                )
            await client.flush()
            self._is_serving = True
            await self._bus.closed(client)
        finally:
            self._is_serving = False
            with suppress(BusError), bus_errors("stopping"):
                async with asyncio.timeout(LAST_REQUESTS_SECONDS):
                    for lock in locks.values():
                        await lock.acquire()
                    await service.stop()


def _check_deadline(request: Request) -> None:
    """Refuse what nobody waits for any more: its caller may long have been answered by another.

    A request lies about for seconds where this process or NATS was stopped meanwhile.
    """
    answer_by = (request.headers or {}).get(ANSWER_BY, "")
    if (
        answer_by.isdecimal()
        and len(answer_by) < 16
        and (late_ms := whole_now_ms() - int(answer_by)) > 0
    ):
        log.warning("a request came too late", subject=request.subject, late_ms=late_ms)
        raise ServiceError(
            503, f"the request came {late_ms} ms too late, or the clocks are that wrong"
        )


def _answering(
    subject: str, handler: Handler, lock: asyncio.Lock
) -> Callable[[Request], Awaitable[None]]:
    async def answer(request: Request) -> None:
        async with lock:
            code = 200
            with suppress(BusError, ValueError), bus_errors(subject):  # nobody to reply to any more
                try:
                    _check_deadline(request)
                    await request.respond(await handler(request.data))
                except ServiceError as refused:
                    code = refused.code
                    await request.respond_error(str(code), refused.description, refused.body)
                except Exception:
                    # The caller is told nothing of our insides; the log is.
                    code = 500
                    log.exception("a request failed", subject=subject)
                    await request.respond_error("500", "internal error")
            _answers.labels(subject, code).inc()

    return answer
