"""The auditor's settings, from the environment."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from runtime.settings import Port
from runtime.settings import Settings as ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """The auditor's settings; its port serves health and metrics only."""

    port: Port = 8090
    max_skew_ms: Annotated[float, Meta(ge=0, le=60_000)] = 1000.0
    """How far a scheduler's clock may be ahead of the NATS server's: what is stored earlier before
    it was due is a violation. By default as far as a scheduler takes for ready."""


SETTINGS = web.AppKey("settings", Settings)
