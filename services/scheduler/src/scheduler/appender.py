"""Appends to the stream, many in flight at once: a future for the answer to each.

JetStream's own `publish` makes a request of every append, with a timeout and parsed headers each:
most of a scheduler's work when a thousand rooms are due at the same instant.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct
from prometheus_client import Counter

from bus.connection import Bus
from bus.errors import BusError, BusTimeout, BusUnavailable, bus_errors
from runtime.metrics import from_zero

APPEND_SECONDS = 1.5
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
CONFLICTS = {10071, 10164}
"""The server's error codes for an append with a wrong expected sequence: compared with the stream,
or with an append to the same subject that a replicated stream is about to store."""
NOT_NOW_SECONDS = {10167: 0.002, 10163: 0.01, 10008: 0.05}
"""The server's error codes for an append that may succeed later, and the delay before retrying: the
stream's ingest queue is full (under load a place frees up only briefly); an append to the same
subject is pending; there is no leader."""
UNKNOWN = {10077}
"""The server's error code for an append that it failed to store itself: the other servers of a
replicated stream may have, if this one is shutting down."""
NOBODY_SECONDS = 0.05
"""The delay before retrying if nobody stores the subject: there is no leader, or no stream."""
REFUSED_SECONDS = 10.0
"""How long a refusal counts as the stream's state, unless an append succeeds."""
IN_FLIGHT = 64
"""The most appends in flight, so that many rooms don't flood the stream themselves."""
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

_appended = from_zero(
    Counter("tminus_appends_total", "Appends to rooms' events.", ["outcome"]),
    *("stored", "conflict", "busy", "timeout", "unavailable"),
)


class Conflict(Exception):
    """An append was refused: the subject has a newer entry than the expected one."""


class _Error(Struct):
    err_code: int = 0
    description: str = ""


class _Answer(Struct):
    """The stream's answer (a JetStream `PubAck`), the fields used here."""

    seq: int = 0
    error: _Error | None = None


_answers = msgspec.json.Decoder(_Answer)
_NOBODY = _Answer(error=_Error(description="nobody stores it at the moment"))


class Appender:
    """The appends in flight, and those that wait until there are fewer."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._turns = asyncio.Semaphore(IN_FLIGHT)
        self._waiting: set[asyncio.Future[_Answer]] = set()
        self._refusal = ""
        self._refused_at = 0.0
        bus.on_disconnect.append(self._give_up)

    def check(self) -> str | None:
        """For `/readyz`: why the stream refused the latest append, if that was recent."""
        if not self._refusal:
            return None
        since = asyncio.get_running_loop().time() - self._refused_at
        return self._refusal if since < REFUSED_SECONDS else None

    async def append(
        self,
        subject: str,
        payload: bytes,
        expected_seq: int,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> int:
        """Append to `subject` if its last sequence still is `expected_seq`; returns the new one.

        `headers` are stored with it.

        Raises Conflict if it is not, BusTimeout if the outcome is unknown, BusUnavailable if the
        stream accepts nothing.
        """
        outcome = "timeout"  # also if the caller doesn't wait for it
        try:
            with bus_errors("the stream"):
                seq = await self._retry_while_busy(
                    subject, payload, {EXPECTED: str(expected_seq), **headers}
                )
            outcome = "stored"
            return seq
        except Conflict:
            outcome = "conflict"
            raise
        except BusError as error:
            outcome = "timeout" if isinstance(error, BusTimeout) else "unavailable"
            raise
        finally:
            _appended.labels(outcome).inc()

    async def _retry_while_busy(self, subject: str, payload: bytes, headers: dict[str, str]) -> int:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + APPEND_SECONDS
        async with self._turns:
            while True:
                answer = await self._publish(subject, payload, headers, deadline)
                error = answer.error
                if error is None or error.err_code in CONFLICTS:
                    self._refusal = ""
                if error is None:
                    return answer.seq
                if error.err_code in CONFLICTS:
                    raise Conflict
                if error.err_code in UNKNOWN:
                    raise BusTimeout(f"the stream: {error.description}")
                pause = NOBODY_SECONDS if answer is _NOBODY else NOT_NOW_SECONDS.get(error.err_code)
                if pause is None or loop.time() + pause > deadline:
                    self._refusal = f"the stream takes nothing: {error.description}"
                    self._refused_at = loop.time()
                    raise BusUnavailable(self._refusal)
                _appended.labels("busy").inc()
                await asyncio.sleep(pause)

    async def _publish(
        self, subject: str, payload: bytes, headers: dict[str, str], deadline: float
    ) -> _Answer:
        client, loop = self._bus.client, asyncio.get_running_loop()
        answer: asyncio.Future[_Answer] = loop.create_future()
        self._waiting.add(answer)
        reply = client.inbox.expect(partial(_take, answer))
        timer = loop.call_at(deadline, _give_up, answer)
        try:
            await client.publish(subject, payload, reply, headers)
            return await answer
        finally:
            timer.cancel()
            client.inbox.forget(reply)
            self._waiting.discard(answer)

    def _give_up(self) -> None:
        """The connection is lost, and with it every pending answer."""
        for answer in self._waiting:
            _give_up(answer)


def _take(answer: asyncio.Future[_Answer], _headers: bytes, data: bytes) -> None:
    if answer.done():
        return
    try:
        # If nobody stores the subject, the server answers with an empty message.
        answer.set_result(_answers.decode(data) if data else _NOBODY)
    except msgspec.MsgspecError as error:
        answer.set_exception(BusUnavailable(f"the stream's answer is not valid: {error}"))


def _give_up(answer: asyncio.Future[_Answer]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
