"""A service as a process: settings, logs, the event loop, and signals until it ends."""

import asyncio
import errno
import os
import ssl
import sys
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from . import logs
from .settings import PublicSettings, Settings, SettingsError, load

S = TypeVar("S", bound=Settings)

SHUTDOWN_SECONDS = 3.0
"""How long requests in flight may still take once the process was told to stop."""
BACKLOG = 4096
"""Connections that may wait to be accepted: past it a crowd's handshakes come a second later."""


def run(service: str, create_app: Callable[[S], web.Application], kind: type[S]) -> None:
    """Run `service` until SIGTERM or SIGINT (exit 0), or until it fails (traceback, exit 1)."""
    try:
        settings = load(kind, os.environ)
    except SettingsError as error:
        sys.exit(f"{service}: {error}")
    logs.configure(settings, service)
    log = logs.logger(__name__)
    log.info("starting", host=settings.host, port=settings.port, env=settings.app_env)
    try:
        web.run_app(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            backlog=BACKLOG,
            ssl_context=_tls(settings),
            shutdown_timeout=SHUTDOWN_SECONDS,
            access_log=None,
            print=None,
            loop=_new_event_loop(),
        )
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            sys.exit(f"{service}: HOST={settings.host} PORT={settings.port}: {error.strerror}")
        raise
    log.info("stopped")


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not isinstance(settings, PublicSettings) or not settings.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        sys.exit(f"TLS_CERT and TLS_KEY can't be used: {error}")
    return context


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
