"""Certificates, which may be renewed while the service runs: its own, and those for NATS."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Never

from aiohttp import web

from .background import background
from .logs import logger
from .settings import Settings, SettingsError
from .watched_files import WatchedFiles

log = logger(__name__)


class Certificate:
    """A certificate and its key in two files, and the context that connections get them from."""

    def __init__(self, certificate: str, key: str) -> None:
        """Raises SettingsError if they can't be used."""
        self._files = (certificate, key)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._watched = WatchedFiles(map(Path, self._files))
        try:
            self._load(self.context)
        except OSError as error:
            raise SettingsError(f"TLS_CERT and TLS_KEY can't be used: {error}") from None

    @asynccontextmanager
    async def renewing(self, _: web.Application) -> AsyncIterator[None]:
        """Use new files as soon as they are there, for the connections that follow."""
        async with background(self._run()):
            yield

    async def _run(self) -> Never:
        while True:
            await self._watched.changed()
            self._renew()

    def _renew(self) -> None:
        try:
            # First into another context: a pair that does not match would leave this one with half
            # of it.
            self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
            self._load(self.context)
        except OSError as error:
            log.warning("keeping the old certificate", reason=str(error))
        else:
            log.info("renewed the certificate")

    def _load(self, context: ssl.SSLContext) -> None:
        # An empty password, so that an encrypted key fails instead of prompting.
        context.load_cert_chain(*self._files, password="")


def client_context(settings: Settings) -> ssl.SSLContext:
    """The context of a connection to NATS, from the files as they are now; raises OSError."""
    context = ssl.create_default_context(cafile=settings.nats_tls_ca or None)
    if settings.nats_tls_cert:
        context.load_cert_chain(settings.nats_tls_cert, settings.nats_tls_key, password="")
    return context
