"""What tracing costs while it is off, beside the commit before it, and while it is on.

`PYTHONPATH=tests python -m bench.tracing [COMMIT]` prints the table of docs/tracing.md. Each figure
is measured in processes of its own, all versions in turn, and is the least: others only add.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from bench.bus import nats_server
from bench.machine import LOAD_CORE, ROOT, SERVER_CORE
from bench.versions import versions

BEFORE = "f309f55"
"""The last commit without tracing that has all of the metrics."""
ROUNDS = 7
FIGURES = {
    "start_ms": "a coordinator's start, until its application is made, ms of CPU",
    "resident_mb": "its memory then, MB",
    "append_us": "an append, µs of the scheduler's CPU",
    "append_ms": "an append, ms until it is acknowledged",
    "deliver_us": "an event to 100 viewers, µs of the coordinator's CPU",
}


class _Collector(BaseHTTPRequestHandler):
    """Takes what is exported."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def _collector() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


async def main(before: str) -> None:
    """Measure, and print the table."""
    with _collector() as endpoint, versions({}, before) as (now, *earlier):
        on = now.environment | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        environments = {"off": now.environment, "on": on}
        if earlier:
            environments = {"before": earlier[0].environment, **environments}
        found: dict[str, list[dict[str, float]]] = {name: [] for name in environments}
        for _ in range(ROUNDS):
            for name, environment in environments.items():
                async with nats_server(core=LOAD_CORE) as bus:
                    found[name].append(await asyncio.to_thread(_measure, environment, bus.url))
    print(f"| | {' | '.join(found)} |\n| --- {'| --- ' * len(found)}|")
    for key, words in FIGURES.items():
        figures = [min(one[key] for one in rounds) for rounds in found.values()]
        print(f"| {words} | {' | '.join(f'{figure:.3g}' for figure in figures)} |")


def _measure(environment: dict[str, str], url: str) -> dict[str, float]:
    path = os.pathsep.join(
        filter(None, (environment.get("PYTHONPATH"), str(ROOT / "tests"), str(ROOT)))
    )
    figures: dict[str, float] = {}
    for part in ("start", "append", "deliver"):
        command = [sys.executable, "-m", "bench.traced", part, url]
        ran = subprocess.run(
            ["taskset", "--cpu-list", str(SERVER_CORE), *command],
            env=os.environ | environment | {"PYTHONPATH": path},
            check=True,
            capture_output=True,
            cwd=ROOT,
        )
        figures |= json.loads(ran.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or [BEFORE])))
