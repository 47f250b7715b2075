"""The real services as processes on free ports, for a browser to open."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.nats_server import NatsServer
from support.ports import free_port
from support.process import Process

READY_SECONDS = 20.0


class Service(Process):
    """One of our services, which can be killed and started again on its port."""

    def __init__(self, kind: str, port: int, settings: Mapping[str, str], folder: Path) -> None:
        self.port = port
        environ = {**os.environ, **settings, "PORT": f"{port}"}
        super().__init__(f"{kind}-{port}", [sys.executable, "-m", kind], environ, folder)

    def wait_ready(self) -> None:
        until = time.monotonic() + READY_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2):
                    return
            except OSError:
                if time.monotonic() > until:
                    pytest.fail(f"{self.name} is not ready:\n{self.log()}")
                time.sleep(0.02)


class Stack:
    """NATS, a scheduler, two coordinators and a frontend."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.nats = NatsServer(folder)
        self.nats_url = self.nats.url
        ports = [free_port(), free_port()]
        environ = {
            "NATS_URL": self.nats_url,
            "WS_HOST": ",".join(f"localhost:{port}" for port in ports),
            "LOG_LEVEL": "INFO",
        } | settings

        def service(kind: str, port: int, **more: str) -> Service:
            return Service(kind, port, environ | more, folder)

        self._service = service
        self.scheduler = service("scheduler", free_port(), INSTANCE="scheduler-1")
        self.coordinators = [service("coordinator", port) for port in ports]
        self.frontend = service("frontend", free_port())

    @property
    def services(self) -> list[Service]:
        return [self.scheduler, *self.coordinators, self.frontend]

    @property
    def address(self) -> str:
        return f"http://localhost:{self.frontend.port}"

    @contextmanager
    def another_frontend(self, hosts: str, **settings: str) -> Iterator[str]:
        """The address of a frontend whose pages find their coordinators at `hosts`."""
        frontend = self._service("frontend", free_port(), WS_HOST=hosts, **settings)
        frontend.start()
        try:
            frontend.wait_ready()
            yield f"http://localhost:{frontend.port}"
        finally:
            frontend.kill()

    def page(self, room: str, query: str = "") -> str:
        return f"{self.address}/r/{room}{query}"

    def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Ask the JSON API; the status, and the body read as JSON."""
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=body
            if isinstance(body, bytes)
            else b""
            if body is None
            else json.dumps(body).encode(),
            headers=headers or {},
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def start(self, room: str, **terms: object) -> dict[str, Any]:
        status, event = self.ask("POST", f"/api/rooms/{room}/countdown", terms)
        assert status == 201, event
        return dict(event)

    def send(self, room: str, text: str) -> None:
        status, reply = self.ask("POST", f"/api/rooms/{room}/messages", {"text": text})
        assert status == 202, reply


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Stack]:
    stack = Stack(folder, settings)
    with ExitStack() as cleanup:
        for process in (stack.nats, *stack.services):
            cleanup.callback(process.kill)
            process.start()
        for service in stack.services:
            service.wait_ready()
        yield stack
