"""The coordinator's settings, from the environment."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from runtime.settings import Port, PublicSettings


class Settings(PublicSettings, frozen=True, kw_only=True):
    """The coordinator's settings."""

    port: Port = 8787
    max_viewers: Annotated[int, Meta(ge=0)] = 0
    """Viewers at once; over it a handshake gets 503. 0 is as many as file descriptors allow."""
    max_viewers_per_address: Annotated[int, Meta(ge=1)] = 2000
    """The same from one address; over it a handshake gets 429."""
    max_followed_rooms: Annotated[int, Meta(ge=1)] = 20_000
    """Rooms with viewers, or that had some in the last 30 s; to open one more gets 503."""
    max_followed_rooms_per_address: Annotated[int, Meta(ge=1)] = 500
    """Those that one address has opened; to open one more gets 429."""


SETTINGS = web.AppKey("settings", Settings)
