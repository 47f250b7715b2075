"""The frontend's settings, besides those of every service."""

import re
from typing import Annotated

from aiohttp import web
from msgspec import Meta

from runtime.settings import Port, PublicSettings, Secret, SettingsError

from . import rights

_PORT = r"(6553[0-5]|655[0-2]\d|65[0-4]\d{2}|6[0-4]\d{3}|[1-5]\d{4}|\d{1,4})"
_NAME = r"[A-Za-z0-9._-]+"
_HOST = rf"((({_NAME}|\[[0-9A-Fa-f:.]+\])(:{_PORT})?)|:{_PORT})"
Hosts = Annotated[str, Meta(pattern=rf"^({_HOST}(\s*,\s*{_HOST})*)?$")]
Most = Annotated[int, Meta(ge=1)]
Path = Annotated[str, Meta(pattern=r"^(/[A-Za-z0-9._~/-]*)?$")]
BasePath = Annotated[str, Meta(pattern=r"^(/[A-Za-z0-9._~-]+)*$")]
_FRAME = rf"(\*|https?://(\*\.)?{_NAME}(:{_PORT})?)"
Frames = Annotated[str, Meta(pattern=rf"^({_FRAME}(\s*,\s*{_FRAME})*)?$")]

PLAIN_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:]{1,39}\])(:\d{1,5})?")
"""A valid Host header."""


class Settings(PublicSettings, frozen=True, kw_only=True):
    """Where the page's sockets go, and who may control a room."""

    port: Port = 8080
    ws_host: Hosts = ""
    """Hosts of the coordinators, separated by commas: the page tries them in turn. Of one that is
    only a port, the host is the page's own."""
    ws_path: Path = ""
    base_path: BasePath = ""
    """The path below which the frontend is served, if a proxy removes one before it asks here."""
    allowed_frames: Frames = ""
    """Sites whose pages may show this one in a frame, separated by commas; `*` is any."""
    control_token: Secret = ""
    """Required, or a link, to start, change, cancel or send; `none`, or in development nothing,
    allows anyone."""
    link_keys: Secret = ""
    """The keys that sign links, `id:secret` separated by commas: the first signs, all verify."""
    max_commands_per_address: Most = 100
    """Commands and messages a second from one address, and ten times as many at once."""
    max_commands: Most = 500
    """The same from all addresses together."""
    max_reads_per_address: Most = 200
    """Pages and states of rooms a second for one address, and ten times as many at once."""
    max_reads: Most = 1000
    """The same for all addresses together."""
    max_rooms_per_address: Most = 100
    """Rooms in which one address may start or send, a minute."""
    max_rooms: Most = 10_000
    """The same for all addresses together."""

    def check(self) -> None:
        """In production it is said who may control, and links have keys; raises SettingsError."""
        super().check()
        if not self.control_token and self.app_env == "production":
            raise SettingsError(
                "CONTROL_TOKEN is not set: in production it is the token that controls the rooms, "
                "or none if anybody may"
            )
        try:
            if self.link_keys:
                rights.parse(self.link_keys)
        except ValueError as error:
            raise SettingsError(f"LINK_KEYS is not valid: {error}") from None
        if self.link_keys and self.link_signers() is None:
            raise SettingsError("LINK_KEYS is set, but anybody may control: set CONTROL_TOKEN, too")

    def link_signers(self) -> rights.Keys | None:
        """The keys of links, derived from the token if there are no others; None if anybody may
        control."""
        if self.control_token in ("", "none"):
            return None
        if self.link_keys:
            return rights.parse(self.link_keys)
        return rights.derived(self.control_token)

    def socket_hosts(self, page_host: str) -> list[str]:
        """The hosts that the page's socket tries in turn; none means the page's own.

        `page_host` is the Host header of the request for the page.
        """
        default = ":8787" if self.app_env == "development" else ""
        given = [host.strip() for host in (self.ws_host or default).split(",") if host]
        plain = PLAIN_HOST.fullmatch(page_host)
        own = plain[1] if plain else "localhost"
        return [own + host if host.startswith(":") else host for host in given]

    @property
    def frame_sources(self) -> list[str]:
        """The sites of ALLOWED_FRAMES, as in a Content-Security-Policy."""
        return [site.strip() for site in self.allowed_frames.split(",") if site]

    @property
    def socket_path(self) -> str:
        """The path of the coordinators' WebSocket as browsers reach it."""
        if self.ws_path:
            return self.ws_path
        if self.app_env == "development":
            return "/ws/connect"
        return f"{self.base_path}/api/ws/connect"


SETTINGS = web.AppKey("settings", Settings)
