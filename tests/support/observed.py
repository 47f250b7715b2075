"""The whole stack as processes that a real Prometheus scrapes, and a countdown that it has seen."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import aiohttp

from browser.stack import Service

from .nats_server import CONFIG, PASSWORDS, NatsServer
from .ports import free_port
from .prometheus import Prometheus
from .viewer import Viewer

ROOM = "seen-by-prometheus"
TICKS = 6
VIEWERS = 2
"""At each coordinator."""
WORKERS = 2
"""Of the frontend."""
ERROR_MS = 12.5
EXPORTER = Path(__file__).with_name("nats-exporter.prom")
"""What NATS's exporter says; the program itself comes in no package that CI could install."""


class Observed:
    """Prometheus, and what it scrapes: two schedulers, two coordinators, a frontend of two workers
    and an auditor."""

    def __init__(self, folder: Path, exporter_port: int) -> None:
        self.nats = NatsServer(folder, config=CONFIG, env=PASSWORDS)
        service = partial(self._service, folder)
        self.schedulers = [service("scheduler") for _ in range(2)]
        self.coordinators = [service("coordinator") for _ in range(2)]
        hosts = ",".join(map(_target, self.coordinators))
        metrics_port = free_port()
        shared = {"WORKERS": f"{WORKERS}", "METRICS_PORT": f"{metrics_port}"}
        self.frontend = service("frontend", WS_HOST=hosts, **shared)
        page = f"http://{_target(self.frontend)}"
        self.auditor = service("auditor", CANARY_URL=page, CANARY_INTERVAL="5")
        self.targets = {
            "scheduler": [_target(one) for one in self.schedulers],
            "coordinator": [_target(one) for one in self.coordinators],
            "frontend": [f"127.0.0.1:{metrics_port}"],
            "auditor": [_target(self.auditor)],
            "nats": [f"127.0.0.1:{exporter_port}"],
        }
        self.prometheus = Prometheus(folder, self.targets)
        self.figures: dict[str, float | None] = {}
        """What Prometheus knew after the countdown, before the auditor was started."""

    def _service(self, folder: Path, kind: str, **settings: str) -> Service:
        return Service(kind, free_port(), {"NATS_URL": self.nats.url, **settings}, folder)

    @property
    def services(self) -> list[Service]:
        """All but the auditor, whose canary would count among those who are counted here."""
        return [*self.schedulers, *self.coordinators, self.frontend]

    def ask(self, method: str, path: str, body: object = None) -> int:
        """Ask the JSON API; gives the status."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.frontend.port}{path}",
            method=method,
            data=b"" if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    async def count_down(self) -> None:
        """A countdown with viewers at both coordinators, who report what they show; and a cancel of
        it afterwards, which gets 404."""
        async with aiohttp.ClientSession() as session:
            viewers = [
                Viewer(await session.ws_connect(f"http://127.0.0.1:{port}/ws/connect?room={ROOM}"))
                for port in [one.port for one in self.coordinators] * VIEWERS
            ]
            for viewer in viewers:
                await viewer.frame()
            terms = {"from": TICKS - 1, "interval_ms": 200}
            assert self.ask("POST", f"/api/rooms/{ROOM}/countdown", terms) == 201
            for viewer in viewers:
                await viewer.until(lambda frame: frame.get("remaining") == 0)
                last = viewer.frames[-1]["seq"]
                await viewer.socket.send_json(
                    {"type": "ping", "id": 1, "seq": last, "error_ms": ERROR_MS}
                )
            assert self.ask("DELETE", f"/api/rooms/{ROOM}/countdown") == 404
            # Until it has seen them, they stay.
            self.prometheus.until("sum(tminus_screens_in_step)", len(viewers))


@contextmanager
def observed(folder: Path) -> Iterator[Observed]:
    """Start everything; gives it once all are ready."""
    with ExitStack() as cleanup:
        stack = Observed(folder, cleanup.enter_context(_serving(EXPORTER.read_bytes())))
        for process in (stack.nats, *stack.services, stack.prometheus):
            cleanup.callback(process.kill)
            process.start()
        cleanup.callback(stack.auditor.kill)
        for service in stack.services:
            service.wait_ready()
        stack.prometheus.wait_ready()
        # What it has seen at 0 it sees rise.
        stack.prometheus.until("count(tminus_ready == 1)", len(stack.services) - 1 + WORKERS)
        yield stack


@contextmanager
def _serving(body: bytes) -> Iterator[int]:
    """Answer every request with `body`; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _target(service: Service) -> str:
    return f"127.0.0.1:{service.port}"
