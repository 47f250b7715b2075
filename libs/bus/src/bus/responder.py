"""A service on the bus (the `nats micro` protocol): endpoints from bytes to bytes."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Never

from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import EndpointStats
from prometheus_client import Counter

from runtime.clock import whole_now_ms
from runtime.logs import logger

from .client import Client
from .connection import ANSWER_BY, RETRY_AFTER, Bus
from .errors import BusError, ServiceError, bus_errors
from .intake import Intake

if TYPE_CHECKING:
    from .tracing import Tracing

log = logger(__name__)

Handler = Callable[[bytes], Awaitable[bytes]]

RETRY_SECONDS = 0.25
LAST_REQUESTS_SECONDS = 3.0
"""How long the requests already received may still take when the service ends."""
LAST_BEGUN_SECONDS = 2.0
"""How long they are still begun; after that they are refused, which takes no time."""

SERVICES = "_INBOX_"
"""How the inboxes of our services begin. With deploy/nats.conf nobody else can have replies sent
there: those of other accounts go to subjects that the server makes up."""

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
        self._ends_at = math.inf
        """By the loop's clock; from then on requests are refused."""

    def check(self) -> str | None:
        """For `/readyz`."""
        return None if self._is_serving else "not answering on the bus yet"

    async def run(self, ready: Callable[[], Awaitable[object]]) -> Never:
        """Serve for ever, once `ready`."""
        await ready()
        while True:
            client = await self._bus.connected()
            async with asyncio.TaskGroup() as group:
                with suppress(BusError), bus_errors(self._name):
                    await self._serve(client, Intake(client, group))
            await asyncio.sleep(RETRY_SECONDS)

    async def _serve(self, client: Client, intake: Intake) -> None:
        """Serve until `client` is closed for good."""
        endpoints = {
            subject: _Endpoint(subject, handler, self._check_end, self._bus.tracing)
            for subject, handler in self._endpoints.items()
        }
        service = await add_service(
            intake,  # type: ignore[arg-type]  # implements the part of a client that it needs
            name=self._name,
            version=version(f"tminus-{self._name}"),
            description=self._description,
            metadata={"instance": self._instance},
            stats_handler=lambda stats: endpoints[stats.subject].tell_errors(stats),
        )
        try:
            for subject, endpoint in endpoints.items():
                await service.add_endpoint(
                    name=subject.rpartition(".")[2],
                    subject=subject,
                    handler=endpoint.answer,
                )
            await client.flush()
            self._is_serving = True
            await self._bus.closed(client)
        finally:
            self._is_serving = False
            self._ends_at = asyncio.get_running_loop().time() + LAST_BEGUN_SECONDS
            with suppress(BusError), bus_errors("stopping"):
                async with asyncio.timeout(LAST_REQUESTS_SECONDS):
                    await intake.drain()
                    await service.stop()
            intake.close()
            self._ends_at = math.inf

    def _check_end(self) -> None:
        if asyncio.get_running_loop().time() > self._ends_at:
            raise ServiceError(
                503, "the service is ending and has not begun this request: try again"
            )


def _check_deadline(request: Request) -> None:
    """Refuse a request whose caller has given up: another replica may have answered it.

    A request can wait for seconds if this process or NATS was stopped meanwhile.
    """
    answer_by = (request.headers or {}).get(ANSWER_BY, "")
    if (
        answer_by.isdecimal()
        and len(answer_by) < 16
        and (late_ms := whole_now_ms() - int(answer_by)) > 0
    ):
        log.warning("a request came too late", subject=request.subject, late_ms=late_ms)
        raise ServiceError(
            503,
            f"the request arrived {late_ms} ms after its {ANSWER_BY}, "
            "or the clocks differ by that much",
        )


class _Endpoint:
    """A handler with its subject, and its errors."""

    def __init__(
        self,
        subject: str,
        handler: Handler,
        check_end: Callable[[], None],
        tracing: "Tracing | None",
    ) -> None:
        self._subject = subject
        self._handler = handler
        self._check_end = check_end
        self._tracing = tracing
        self._errors = 0
        self._last_error = ""

    async def answer(self, request: Request) -> None:
        reply, refused = b"", None
        try:
            with self._traced(self._tracing, request) if self._tracing else nullcontext():
                reply = await self._handle(request)
        except ServiceError as error:
            refused = error
        _answers.labels(self._subject, refused.code if refused is not None else 200).inc()
        with suppress(BusError, ValueError), bus_errors(self._subject):  # the caller may be gone
            if refused is None:
                await request.respond(reply)
            else:
                self._errors += 1
                self._last_error = f"{refused.code}:{refused.description}"
                headers = {RETRY_AFTER: str(refused.retry_after)} if refused.retry_after else {}
                await request.respond_error(
                    str(refused.code), refused.description, refused.body, headers
                )

    async def _handle(self, request: Request) -> bytes:
        _check_deadline(request)
        self._check_end()
        try:
            return await self._handler(request.data)
        except ServiceError:
            raise
        except Exception:
            # Internals go to the log, never to the caller.
            log.exception("a request failed", subject=self._subject)
            raise ServiceError(500, "internal error") from None

    def _traced(self, tracing: "Tracing", request: Request) -> AbstractContextManager[None]:
        is_trusted = request._msg.reply.startswith(SERVICES)
        return tracing.answering(self._subject, request.headers or {}, is_trusted=is_trusted)

    def tell_errors(self, stats: EndpointStats) -> None:
        """Add the errors to the statistics: `nats.micro` counts only those that handlers raise."""
        stats.num_errors, stats.last_error = self._errors, self._last_error
