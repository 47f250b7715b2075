"""The service's own certificate, which may be renewed while the service runs."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Never

from aiohttp import web

from .background import background
from .logs import logger
from .settings import SettingsError

log = logger(__name__)

CHECK_SECONDS: Final = 5.0
"""How often to look whether the files have changed."""

_Version = list[tuple[int, int, int]] | None
"""What changes with the files; None if one of them is missing."""


class Certificate:
    """A certificate and its key in two files, and the context that connections get them from."""

    def __init__(self, certificate: str, key: str) -> None:
        """Raises SettingsError if they can't be used."""
        self._files = (certificate, key)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._version = self._look()
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
            await asyncio.sleep(CHECK_SECONDS)
            self._renew()

    def _renew(self) -> None:
        version = self._look()
        if version == self._version:
            return
        self._version = version
        try:
            # First into another context: a pair that does not match would leave this one with half
            # of it.
            self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
            self._load(self.context)
        except OSError as error:
            log.warning("keeping the old certificate", reason=str(error))
        else:
            log.info("renewed the certificate")

    def _look(self) -> _Version:
        try:
            found = [Path(file).stat() for file in self._files]
        except OSError:
            return None
        return [(file.st_ino, file.st_size, file.st_mtime_ns) for file in found]

    def _load(self, context: ssl.SSLContext) -> None:
        # An empty password, so that an encrypted key fails instead of prompting.
        context.load_cert_chain(*self._files, password="")
