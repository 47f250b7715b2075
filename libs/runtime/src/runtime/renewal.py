"""Secrets in files: read again when the files change, and given to those who use them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Never, TypeVar

from aiohttp import web

from . import secret_files
from .background import background
from .logs import logger
from .settings import Settings, SettingsError, load, secrets
from .watched_files import WatchedFiles

log = logger(__name__)

S = TypeVar("S", bound=Settings)

_USERS: web.AppKey[list[Callable[[Settings], None]]] = web.AppKey("users_of_secrets", list)


def on_renewal(app: web.Application, kind: type[S], use: Callable[[S], None]) -> None:
    """Have `use` called with the service's settings, of `kind`, when their secrets are renewed."""

    def checked(settings: Settings) -> None:
        if isinstance(settings, kind):
            use(settings)

    app.setdefault(_USERS, []).append(checked)


class Renewal:
    """The settings of `kind`, as the environment and the files of secrets are now."""

    def __init__(self, kind: type[Settings], environ: Mapping[str, str]) -> None:
        self._kind = kind
        self._environ = environ
        self._files = WatchedFiles(secret_files.paths(secrets(kind), environ).values())

    @asynccontextmanager
    async def renewing(self, app: web.Application) -> AsyncIterator[None]:
        """The cleanup context that looks at the files."""
        async with background(self._run(app)):
            yield

    async def _run(self, app: web.Application) -> Never:
        while True:
            await self._files.changed()
            try:
                settings = load(self._kind, self._environ)
            except SettingsError as error:
                log.warning("keeping the old secrets", reason=str(error))
                continue
            for use in app.get(_USERS, []):
                use(settings)
            log.info("renewed the secrets")
