"""What stands between viewers and the coordinator: nothing, TLS in the coordinator, or an edge."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import msgspec

from bench.bus import Voice, connected, nats_server
from bench.fanout import Steady, settle, stream, warm_up
from bench.load import load
from bench.machine import CACHE, SERVER_CORE, cpu_seconds, resident_bytes
from bench.programs import Program, running
from bench.servers import TMINUS, serving
from support.ports import free_port

CADDY = CACHE / "venv" / "bin" / "caddy"
CERTIFICATE, KEY = CACHE / "certificate.pem", CACHE / "key.pem"


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way from viewers to the coordinator, and what each part of it costs."""

    name: str
    viewers: int
    join_seconds: float
    coordinator_us_a_frame: float
    edge_us_a_frame: float
    coordinator_bytes_a_viewer: float
    edge_bytes_a_viewer: float
    steady: Steady


async def measure(name: str, viewers: int, *, seconds: float, per_second: float = 10.0) -> Way:
    """Measure the way called `straight`, `tls` or `caddy`."""
    tls = {"TLS_CERT": str(CERTIFICATE), "TLS_KEY": str(KEY)} if name == "tls" else {}
    if tls:
        make_certificate()
    options = (*TMINUS.load_options, "--tls") if tls else TMINUS.load_options
    async with (
        nats_server() as bus,
        serving(TMINUS, bus, **tls) as (program, port),
        connected(bus) as client,
        _edge(name, port) as (edge, edge_port),
    ):
        voice = Voice(client, TMINUS.subject, makes_frames=False)
        await warm_up(edge_port, options, voice)
        empty = resident_bytes(program.pid), resident_bytes(edge.pid) if edge else 0
        async with load(edge_port, options) as crowd:
            joined = await crowd.join(viewers, seconds=60)
            await settle(crowd, voice, viewers)
            before = cpu_seconds(edge.pid) if edge else 0.0
            steady = await stream(crowd, voice, program.pid, viewers, per_second, seconds)
            edge_used = cpu_seconds(edge.pid) - before if edge else 0.0
            return Way(
                name=name,
                viewers=viewers,
                join_seconds=joined.seconds,
                coordinator_us_a_frame=steady.cpu_us_a_frame,
                edge_us_a_frame=edge_used / steady.frames * 1e6,
                coordinator_bytes_a_viewer=(resident_bytes(program.pid) - empty[0]) / viewers,
                edge_bytes_a_viewer=(resident_bytes(edge.pid) - empty[1]) / viewers
                if edge
                else 0.0,
                steady=steady,
            )


@asynccontextmanager
async def _edge(name: str, port: int) -> AsyncIterator[tuple[Program | None, int]]:
    """The stack's edge, as it is set up for the sockets' path, on the coordinator's core."""
    if name != "caddy":
        yield None, port
        return
    edge_port = free_port()
    configuration = CACHE / "run" / "Caddyfile"
    configuration.write_text(
        dedent(f"""\
            {{
                admin off
                persist_config off
                auto_https off
            }}
            http://127.0.0.1:{edge_port} {{
                reverse_proxy 127.0.0.1:{port}
            }}
            """)
    )
    command: list[str | Path] = [CADDY, "run", "--adapter", "caddyfile", "--config", configuration]
    async with running("caddy", command, core=SERVER_CORE, port=edge_port) as program:
        yield program, edge_port


def make_certificate() -> None:
    """A certificate that nobody else would trust, elliptic as certificates are today."""
    if CERTIFICATE.exists():
        return
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    subject = ("-subj", "/CN=localhost", "-days", "30")
    command: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        *curve,
        *subject,
        "-keyout",
        KEY,
        "-out",
        CERTIFICATE,
    ]
    subprocess.run(command, check=True, capture_output=True)
