"""The auditor's settings, from the environment."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from runtime.settings import Port, Secret, SettingsError
from runtime.settings import Settings as ServiceSettings

from .canary.page import Target, target_at


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """The auditor's settings; its port serves health and metrics only."""

    port: Port = 8090
    max_skew_ms: Annotated[float, Meta(ge=0, le=60_000)] = 1000.0
    """How far a scheduler's clock may be ahead of the NATS server's: a tick that is stored earlier
    than that is a violation. By default as far as a scheduler takes for ready."""
    canary_url: str = ""
    """The page through which a canary counts, again and again; none is no canary."""
    canary_interval: Annotated[float, Meta(ge=5, le=86_400)] = 60.0
    """Seconds from one run of the canary to the next."""
    control_token: Secret = ""
    """The token with which the canary starts its runs; `none`, as at the frontend, is none."""

    def check(self) -> None:
        """The canary's page has an address; raises SettingsError."""
        super().check()
        try:
            self.canary()
        except ValueError as error:
            raise SettingsError(f"CANARY_URL is not valid: {error}") from None

    def canary(self) -> Target | None:
        """The page through which the canary counts, of one room for as long as the process lives;
        None without one. Raises ValueError."""
        return target_at(self.canary_url, token=self.control_token) if self.canary_url else None


SETTINGS = web.AppKey("settings", Settings)
