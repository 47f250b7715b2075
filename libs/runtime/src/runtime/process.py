"""A service as a process: settings, logs, the event loop, and signals until it ends."""

import asyncio
import errno
import os
import socket
import ssl
import sys
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web
from prometheus_client import Info

from . import logs
from .refused import RefusedCounter
from .settings import PublicSettings, Settings, SettingsError, load

S = TypeVar("S", bound=Settings)

SHUTDOWN_SECONDS = 3.0
"""How long requests in flight may still take once the process was told to stop."""
BACKLOG = 4096
"""Connections that may wait at a listening socket, the most that Linux allows as it comes."""
LISTENERS = 4
"""Listening sockets. Of a crowd that comes at once, who finds no place to wait at any is not heard,
and tries again a second later, or three."""

_process = Info("tminus_process", "Which process this is.")


def run(service: str, create_app: Callable[[S], web.Application], kind: type[S]) -> None:
    """Run `service` until SIGTERM or SIGINT (exit 0), or until it fails (traceback, exit 1)."""
    try:
        settings = load(kind, os.environ)
        tls = _tls(settings)
    except SettingsError as error:
        sys.exit(f"{service}: {error}")
    logs.configure(settings, service)
    _process.info({"service": service, "instance": settings.instance})
    log = logs.logger(__name__)
    log.info("starting", host=settings.host, port=settings.port, env=settings.app_env)
    can_share = sys.platform == "linux" and settings.port != 0
    try:
        _claim(settings.host, settings.port)
        web.run_app(
            create_app(settings),
            host=[settings.host] * (LISTENERS if can_share else 1),
            port=settings.port,
            backlog=BACKLOG,
            reuse_port=can_share or None,
            ssl_context=tls,
            shutdown_timeout=SHUTDOWN_SECONDS,
            access_log_class=RefusedCounter,
            print=None,
            loop=_new_event_loop(),
        )
    except OSError as error:
        is_ours = error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)
        if is_ours or isinstance(error, socket.gaierror):
            sys.exit(f"{service}: HOST={settings.host} PORT={settings.port}: {error.strerror}")
        raise
    log.info("stopped")


def _claim(host: str, port: int) -> None:
    """Raise OSError where another process has the port: our sockets would share it unasked."""
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not isinstance(settings, PublicSettings) or not settings.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # An empty password, so that nobody is asked for the one of an encrypted key.
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"TLS_CERT and TLS_KEY can't be used: {error}") from None
    return context


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
