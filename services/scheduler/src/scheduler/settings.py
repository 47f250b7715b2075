"""The scheduler's settings, from the environment."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from runtime.settings import Port
from runtime.settings import Settings as ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """The scheduler's settings; its port serves health and metrics only."""

    port: Port = 8081
    max_runs: Annotated[int, Meta(ge=1)] = 10_000
    """Runs under way, those that are held or only scheduled included; over it a start gets 429."""
    max_ticks_per_second: Annotated[int, Meta(ge=1)] = 1000
    """The ticks a second of all runs under way; over it a start gets 429."""
    max_hold_seconds: Annotated[int, Meta(ge=1)] = 7 * 24 * 3600
    """How long a run may be held without an end, since its last change; then it is cancelled."""


SETTINGS = web.AppKey("settings", Settings)
