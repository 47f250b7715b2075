"""A worker: one of several processes that share a port, as its parent has started it."""

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp import web
from msgspec import Struct

from . import health, metrics

VARIABLE: Final = "TMINUS_WORKER"
READY_SECONDS: Final = 5.0
"""How long a worker that is not ready leaves new connections to the others."""
LOOK_SECONDS: Final = 0.02


class Worker(Struct, frozen=True, kw_only=True):
    """What a worker inherits from its parent; descriptors are the same in both."""

    number: int
    """From 1 on; none of the parent's other workers has the same."""
    parents: int
    """A listening socket over which only the parent asks: for health, and for metrics."""
    listeners: list[int]

    def environment(self, instance: str) -> dict[str, str]:
        """The variables by which the worker knows."""
        mine = {VARIABLE: msgspec.json.encode(self).decode(), "INSTANCE": instance}
        return {**os.environ, **mine}

    def sockets(self) -> list[socket.socket]:
        """The listening sockets; closing them leaves the parent's open."""
        return [socket.socket(fileno=descriptor) for descriptor in self.listeners]

    def answer_parent(self, app: web.Application) -> None:
        """Let the parent see the health and the metrics of `app`, for as long as it runs."""
        listener = socket.socket(fileno=self.parents)
        metrics.move(app, health.beside(app), lambda runner: web.SockSite(runner, listener))


def inherited(environ: Mapping[str, str]) -> Worker | None:
    """What this process has inherited as a worker; None if it is none."""
    if VARIABLE not in environ:
        return None
    return msgspec.json.decode(environ[VARIABLE], type=Worker)


def end_with_parent(told_to_end: asyncio.Event) -> None:
    """Have the event set when the parent dies: standard input, which it never writes to, ends."""
    loop = asyncio.get_running_loop()

    def has_ended() -> None:
        loop.remove_reader(0)
        told_to_end.set()

    loop.add_reader(0, has_ended)


async def ready(app: web.Application, told_to_end: asyncio.Event) -> None:
    """Wait until the service is ready, or has to answer that it is not."""
    for _ in range(round(READY_SECONDS / LOOK_SECONDS)):
        if told_to_end.is_set() or not health.reasons(app):
            break
        await asyncio.sleep(LOOK_SECONDS)
