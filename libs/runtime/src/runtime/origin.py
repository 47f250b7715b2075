"""The origin of a web page, in whatever form it is written (RFC 6454)."""

import re
from ipaddress import IPv6Address

from msgspec import Struct
from yarl import URL

_DEFAULT_PORTS = {"http": 80, "https": 443}
_WITHOUT_HOST = {"null": "null", "file://": "file", "file:///": "file"}
_HOST = r"(?P<host>\[[0-9a-f:.]+\]|[^\s/?#@:*\[\]]+)(:(?P<port>\d{1,5}))?"
_ORIGIN = re.compile(rf"(?P<scheme>[a-z][a-z0-9+.-]*)://{_HOST}/?")
_AUTHORITY = re.compile(_HOST)


class Origin(Struct, frozen=True):
    """Scheme, host and port of a page; `null` and `file://` have only a scheme."""

    scheme: str
    host: str = ""
    port: int | None = None


def parse(text: str) -> Origin:
    """The origin that `text` stands for: case, a default port and a final slash make no difference.

    Raises ValueError if it is none.
    """
    text = text.lower()
    if text in _WITHOUT_HOST:
        return Origin(_WITHOUT_HOST[text])
    parts = _ORIGIN.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text!r} is not an origin")
    return _origin(parts, parts["scheme"])


def parse_all(texts: str) -> set[Origin] | None:
    """The origins in a list separated by commas; None if one of them is `*`, any.

    Raises ValueError.
    """
    names = [name for text in texts.split(",") if (name := text.strip())]
    origins = {parse(name) for name in names if name != "*"}
    return None if "*" in names else origins


def of_host(host: str, scheme: str) -> Origin | None:
    """The origin of a Host header's pages if they have `scheme`; None if there is none."""
    parts = _AUTHORITY.fullmatch(host.lower())
    if parts is None or scheme not in _DEFAULT_PORTS:
        return None
    try:
        return _origin(parts, scheme)
    except ValueError:
        return None


def _origin(parts: re.Match[str], scheme: str) -> Origin:
    host, port = parts["host"], parts["port"]
    if host.startswith("["):
        host = f"[{IPv6Address(host[1:-1])}]"
    elif not host.isascii():
        host = URL.build(scheme="https", host=host).raw_host or ""  # punycode, as browsers send it
    if port is not None and int(port) > 65_535:
        raise ValueError(f"{port} is not a port")
    return Origin(scheme, host, int(port) if port else _DEFAULT_PORTS.get(scheme))
