"""Appends to the stream, many in flight at once: one inbox for all answers, a future for each.

The client's own `publish` makes a request of every append, with a random inbox, a time limit and
parsed headers each: most of a scheduler's work when a thousand rooms are due in the same instant.
"""

import asyncio

import msgspec
from msgspec import Struct
from nats.aio.msg import Msg
from prometheus_client import Counter

from bus.client import Client
from bus.connection import Bus
from bus.errors import BusError, BusTimeout, BusUnavailable, bus_errors

APPEND_SECONDS = 1.5
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
CONFLICTS = {10071, 10164}
"""The server's error codes for an append that expected another last sequence: as it stands in the
stream, or behind an append to the same subject that a replicated stream is about to store."""
NOT_NOW_SECONDS = {10167: 0.002, 10163: 0.01, 10008: 0.05}
"""The server's error codes for an append that it has not stored and would later, and when to ask
again: its queue is full (under a flood its places are free for instants); an append to the same
subject is on its way; there is no leader."""
NOBODY_SECONDS = 0.05
"""When to ask again where nobody stores the subject: there is no leader, or no stream."""
REFUSED_SECONDS = 10.0
"""For how long a refusal says that the stream takes nothing, unless it takes something."""
IN_FLIGHT = 64
"""The most appends that wait for the stream at once, so that many rooms are no flood themselves."""

_appended = Counter("tminus_appends_total", "Appends to rooms' histories.", ["outcome"])


class Conflict(Exception):
    """An append was refused: the subject's history has gone on since it was folded."""


class _Error(Struct):
    err_code: int = 0
    description: str = ""


class _Answer(Struct):
    """What the stream answers (a JetStream `PubAck`), as far as it matters here."""

    seq: int = 0
    error: _Error | None = None


_answers = msgspec.json.Decoder(_Answer)
_NOBODY = _Answer(error=_Error(description="nobody stores it at the moment"))


class Appender:
    """The appends that wait for their turn or for their answer."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._client: Client | None = None
        self._inbox = ""
        self._number = 0
        self._turns = asyncio.Semaphore(IN_FLIGHT)
        self._waiting: dict[str, asyncio.Future[_Answer]] = {}
        self._refusal = ""
        self._refused_at = 0.0
        bus.on_disconnect.append(self._give_up)

    def check(self) -> str | None:
        """For `/readyz`: whether the stream took the last append that it answered lately."""
        if not self._refusal:
            return None
        since = asyncio.get_running_loop().time() - self._refused_at
        return self._refusal if since < REFUSED_SECONDS else None

    async def append(self, subject: str, payload: bytes, expected_seq: int) -> int:
        """Append to `subject` if its last sequence still is `expected_seq`; gives the new one.

        Raises Conflict where it is not, BusTimeout where nobody knows, BusUnavailable where the
        stream takes nothing.
        """
        outcome = "stored"
        try:
            with bus_errors("the stream"):
                return await self._retry_while_busy(subject, payload, expected_seq)
        except Conflict:
            outcome = "conflict"
            raise
        except BusError as error:
            outcome = "timeout" if isinstance(error, BusTimeout) else "unavailable"
            raise
        finally:
            _appended.labels(outcome).inc()

    async def _retry_while_busy(self, subject: str, payload: bytes, expected_seq: int) -> int:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + APPEND_SECONDS
        async with self._turns:
            while True:
                answer = await self._publish(subject, payload, expected_seq, deadline)
                error = answer.error
                if error is None or error.err_code in CONFLICTS:
                    self._refusal = ""
                if error is None:
                    return answer.seq
                if error.err_code in CONFLICTS:
                    raise Conflict
                pause = NOBODY_SECONDS if answer is _NOBODY else NOT_NOW_SECONDS.get(error.err_code)
                if pause is None or loop.time() + pause > deadline:
                    self._refusal = f"the stream takes nothing: {error.description}"
                    self._refused_at = loop.time()
                    raise BusUnavailable(self._refusal)
                _appended.labels("busy").inc()
                await asyncio.sleep(pause)

    async def _publish(
        self, subject: str, payload: bytes, expected_seq: int, deadline: float
    ) -> _Answer:
        client = self._bus.client
        if client is not self._client:
            await self._open_inbox(client)
        loop = asyncio.get_running_loop()
        self._number += 1
        number = str(self._number)
        answer: asyncio.Future[_Answer] = loop.create_future()
        self._waiting[number] = answer
        timer = loop.call_at(deadline, _give_up, answer)
        try:
            headers = {EXPECTED: str(expected_seq)}
            await client.publish(subject, payload, f"{self._inbox}.{number}", headers)
            return await answer
        finally:
            timer.cancel()
            del self._waiting[number]

    async def _open_inbox(self, client: Client) -> None:
        inbox = client.new_inbox()
        # Others may come here while this one subscribes: then each opens one, and any will do.
        await client.subscribe(f"{inbox}.*", cb=self._on_answer)
        self._inbox, self._client = inbox, client

    async def _on_answer(self, message: Msg) -> None:
        answer = self._waiting.get(message.subject.rpartition(".")[2])
        if answer is None or answer.done():
            return
        try:
            # Where nobody stores the subject, the server says so with an empty message.
            answer.set_result(_answers.decode(message.data) if message.data else _NOBODY)
        except msgspec.MsgspecError as error:
            answer.set_exception(BusUnavailable(f"the stream's answer is not valid: {error}"))

    def _give_up(self) -> None:
        """The connection is lost, and with it every answer that is still awaited."""
        for answer in self._waiting.values():
            _give_up(answer)


def _give_up(answer: asyncio.Future[_Answer]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
