"""The scheduler's settings, from the environment."""

from aiohttp import web

from runtime.settings import Port
from runtime.settings import Settings as ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """The scheduler's settings; its port serves health and metrics only."""

    port: Port = 8081


SETTINGS = web.AppKey("settings", Settings)
