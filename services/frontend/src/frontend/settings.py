"""The frontend's settings, besides those of every service."""

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from runtime.settings import Port, PublicSettings

_PORT = r"(6553[0-5]|655[0-2]\d|65[0-4]\d{2}|6[0-4]\d{3}|[1-5]\d{4}|\d{1,4})"
_HOST = rf"[A-Za-z0-9._-]+(:{_PORT})?"
Hosts = Annotated[str, Meta(pattern=rf"^({_HOST}(\s*,\s*{_HOST})*)?$")]
Most = Annotated[int, Meta(ge=1)]
Path = Annotated[str, Meta(pattern=r"^(/[A-Za-z0-9._~/-]*)?$")]


class Settings(PublicSettings, frozen=True, kw_only=True):
    """Where the page's sockets go, and who may control a room."""

    port: Port = 8080
    ws_host: Hosts = ""
    """Hosts of the coordinators, separated by commas: the page tries them in turn."""
    ws_path: Path = ""
    control_token: str = ""
    """Required to start, cancel or send; empty allows anyone."""
    max_commands_per_address: Most = 100
    """Starts, cancels and messages a second from one address, and ten times as many at once."""
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

    @property
    def socket_hosts(self) -> list[str]:
        """The hosts that the page's socket tries in turn; none means the page's own."""
        if self.ws_host:
            return [host.strip() for host in self.ws_host.split(",")]
        return ["localhost:8787"] if self.app_env == "development" else []

    @property
    def socket_path(self) -> str:
        """The path of the coordinators' WebSocket as browsers reach it."""
        if self.ws_path:
            return self.ws_path
        return "/ws/connect" if self.app_env == "development" else "/api/ws/connect"


SETTINGS = web.AppKey("settings", Settings)
