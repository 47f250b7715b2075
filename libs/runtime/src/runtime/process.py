"""A service as a process: settings, logs, the event loop, and signals until it ends."""

import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Final, TypeVar

import msgspec
from aiohttp import web
from prometheus_client import Info

from . import health, logs, metrics, telemetry
from .access_log import ErrorCounter
from .connection_limit import ConnectionLimit
from .listening import accepting, claim, listen, newcomers_served
from .renewal import Renewal
from .secret_files import SecretFileError
from .settings import PublicSettings, Settings, SettingsError, load
from .tls import Certificate, client_context
from .tls_listener import TlsListener
from .worker import Worker, end_with_parent, inherited, ready
from .workers import Parent

S = TypeVar("S", bound=Settings)

SHUTDOWN_SECONDS = 3.0
"""How long requests in flight may still take after SIGTERM."""
KEEPALIVE_SECONDS = 20.0
"""How long a connection may stay open without a whole request, the first included. The edge and
aiohttp's clients close idle ones earlier, so no request meets a connection that is being closed."""
HEADER_BYTES = 32 * 1024
"""The most bytes of a header field, or of a request's first line. aiohttp's own 8,190 are too few
for the cookies of other services of the same host, which browsers send us, too."""
FILE_LIMITS: Final = (65_536, 10_240)
"""The limits to try if the hard limit can't be set: macOS has none by default, accepts no infinite
soft limit, and no more than 10,240 before version 10.15."""
UNLIMITED_FILES: Final = 65_536
"""The number of files assumed if the system has no limit."""

_process = Info("tminus_process", "Which process this is.")


def run(service: str, create_app: Callable[[S], web.Application], kind: type[S]) -> None:
    """Run `service` until SIGTERM or SIGINT (exit 0), or until it fails (traceback, exit 1).

    With WORKERS this is the parent of so many processes, each of which runs the service.
    """
    worker = inherited(os.environ)
    try:
        renewal = Renewal(kind, os.environ)
        settings = load(kind, os.environ)
        _check_client_context(settings)
        certificate = _certificate(settings)
    except (SettingsError, SecretFileError) as error:
        sys.exit(f"{service}: {error}")
    if worker is not None:
        instance = f"{settings.instance}-{worker.number}"
        settings = msgspec.structs.replace(settings, instance=instance)
    logs.configure(settings, service, *telemetry.log_processors())
    release = version("tminus-runtime")
    _process.info({"service": service, "instance": settings.instance, "version": release})
    log = logs.logger(__name__)
    log.info(
        "starting",
        version=release,
        host=settings.host,
        port=settings.port,
        env=settings.app_env,
    )
    if worker is None:
        _check_ports(service, settings)
    with (
        _told_where(f"{service}: HOST={settings.host} PORT={settings.port}"),
        asyncio.Runner(loop_factory=_new_event_loop) as runner,
    ):
        if worker is None and isinstance(settings, PublicSettings) and settings.workers > 1:
            runner.run(Parent(settings, listen(settings.host, settings.port)).run())
        else:
            app = create_app(settings)
            app.cleanup_ctx.append(renewal.renewing)
            if certificate is not None:
                app.cleanup_ctx.append(certificate.renewing)
            if worker is not None:
                worker.answer_parent(app)
            elif settings.metrics_port:
                address = settings.host, settings.metrics_port
                metrics.move(app, health.beside(app), lambda runner: web.TCPSite(runner, *address))
            runner.run(_serve(app, settings, certificate, worker))
    log.info("stopped")


async def _serve(
    app: web.Application,
    settings: Settings,
    certificate: Certificate | None,
    worker: Worker | None,
) -> None:
    """Serve `app` until a signal: as `web.run_app` does, but with a limit of connections."""
    told_to_end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # on Windows Ctrl-C raises KeyboardInterrupt
            asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    runner = web.AppRunner(
        app,
        shutdown_timeout=SHUTDOWN_SECONDS,
        keepalive_timeout=KEEPALIVE_SECONDS,
        max_field_size=HEADER_BYTES,
        max_line_size=HEADER_BYTES,
        access_log_class=ErrorCounter,
    )
    try:
        await runner.setup()
        server = runner.server
        assert server is not None
        if worker is None:
            listeners = listen(settings.host, settings.port)
        else:
            end_with_parent(told_to_end)
            await ready(app, told_to_end)
            listeners = worker.sockets()
        listening = accepting(runner, listeners)
        if isinstance(settings, PublicSettings):
            limit = ConnectionLimit(server, settings, max_connections(settings))
            if certificate is not None:
                listening = TlsListener(server, certificate.context, limit).accepting(listeners)
        async with listening:
            await told_to_end.wait()
        await newcomers_served(server)
    finally:
        await runner.cleanup()


def _check_ports(service: str, settings: Settings) -> None:
    """End the process with one line if it can't have its ports."""
    for name, port in (("METRICS_PORT", settings.metrics_port), ("PORT", settings.port)):
        if port or name == "PORT":
            with _told_where(f"{service}: HOST={settings.host} {name}={port}"):
                claim(settings.host, port)


def max_connections(settings: PublicSettings) -> int:
    """The most open connections that are not viewers': no more than a quarter of the files."""
    return min(settings.max_connections, max(1, raise_file_limit() // 4))


def raise_file_limit() -> int:
    """Raise the limit of open files as far as possible, and return it.

    If there is no such limit, as on Windows, or it is infinite, this is UNLIMITED_FILES.
    """
    try:
        import resource
    except ImportError:  # Windows has none
        return UNLIMITED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (hard, *FILE_LIMITS):
        if _is_more(limit, soft, resource.RLIM_INFINITY):
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
                break
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return UNLIMITED_FILES if soft == resource.RLIM_INFINITY else soft


def _is_more(limit: int, other: int, infinity: int) -> bool:
    """Whether a limit is higher than another; infinity is -1 on Linux."""
    return other != infinity and (limit == infinity or limit > other)


@contextmanager
def _told_where(address: str) -> Iterator[None]:
    """End the process with one line if it can't listen at an address."""
    try:
        yield
    except OSError as error:
        is_ours = error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)
        if is_ours or isinstance(error, socket.gaierror):
            sys.exit(f"{address}: {error.strerror}")
        raise


def _check_client_context(settings: Settings) -> None:
    try:
        if settings.nats_tls_ca or settings.nats_tls_cert:
            client_context(settings)
    except OSError as error:
        raise SettingsError(f"the files of NATS_TLS_… can't be used: {error}") from None


def _certificate(settings: Settings) -> Certificate | None:
    if not isinstance(settings, PublicSettings) or not settings.tls_cert:
        return None
    return Certificate(settings.tls_cert, settings.tls_key)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
