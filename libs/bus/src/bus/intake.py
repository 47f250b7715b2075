"""Requests answered concurrently, and every one of them before the service ends."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from nats.aio.msg import Msg

from .client import Client
from .metered import Metered

AT_ONCE = 4
"""How many requests of one endpoint are answered at once; the others wait. In a flood of starts, as
many appends are queued before a tick: with 32, ticks are tens of milliseconds late."""

Answer = Callable[[Msg], Coroutine[Any, Any, None]]


class Intake:
    """A client for `nats.micro` that accepts a request before the last one is answered.

    `nats.micro` answers one request at a time, and drops those that wait when it stops. It measures
    each request around its own `cb`, so its statistics stay right.
    """

    def __init__(self, client: Client, group: asyncio.TaskGroup) -> None:
        self._client = client
        self._group = group
        self._endpoints: list[_Endpoint] = []
        self._all: list[Metered] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    async def subscribe(self, subject: str, queue: str = "", *, cb: Answer) -> Metered:
        """Subscribe; a subscription with a queue group is an endpoint."""
        take: Callable[[Msg], Coroutine[Any, Any, None]] = cb
        if queue:
            endpoint = _Endpoint(cb, self._group)
            take = endpoint.take
        metered = Metered(self._client, subject, queue, take, self._group)
        self._all.append(metered)
        if queue:
            endpoint.metered = metered
            self._endpoints.append(endpoint)
        return metered

    async def drain(self) -> None:
        """Accept no more requests, and wait until those received are answered."""
        await asyncio.gather(*(endpoint.drain() for endpoint in self._endpoints))

    def close(self) -> None:
        """Accept no more requests, and leave those that wait unanswered."""
        for metered in self._all:
            metered.close()


class _Endpoint:
    metered: Metered

    def __init__(self, answer: Answer, group: asyncio.TaskGroup) -> None:
        self._answer = answer
        self._group = group
        self._places = asyncio.Semaphore(AT_ONCE)
        self._is_over = False

    async def take(self, message: Msg) -> None:
        await self._places.acquire()
        if not self._is_over:
            task = self._group.create_task(self._answer(message))
            task.add_done_callback(lambda _: self._places.release())

    async def drain(self) -> None:
        try:
            # The server sends the next ones to other replicas, and has sent all of ours before it
            # answers; then each of them gets its turn.
            await self.metered.drain()
            # With every permit held, no request is being answered.
            for _ in range(AT_ONCE):
                await self._places.acquire()
        finally:
            self._is_over = True
