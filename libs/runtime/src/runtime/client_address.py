"""Which address a request comes from, past the proxies that are trusted: the key of every budget.

Only `X-Forwarded-For` is read, from the right, for as long as the one who wrote an entry is
trusted. `Forwarded` (RFC 7239) is not: a proxy that knows only the other header passes on what its
client put there. aiohttp-remotes demands the same number of proxies for every request, so it can't
serve clients behind an edge and without one at the same port.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

_PREFIX_BITS = 64
"""The part of an IPv6 address that is a customer's: the rest they choose freely (RFC 6177)."""
_HEADER = "X-Forwarded-For"


def networks(text: str) -> Networks:
    """Networks separated by commas, as in 10.0.0.0/8, or single addresses; raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def client_address(request: web.BaseRequest, trusted: Networks) -> str:
    """The address that `request` comes from, an IPv6 one as its /64; empty if it has none."""
    address = _address(request.remote or "")
    hops = ",".join(request.headers.getall(_HEADER, ())).split(",")
    while address is not None and hops and _is_in(address, trusted):
        before = _address(hops.pop())
        if before is None:
            break  # not an address: it counts as the proxy's own
        address = before
    return _key(address) if address is not None else ""


def peer_address(peer: object, trusted: Networks) -> str:
    """The address of a peer, as sockets name it; empty if that is a trusted proxy, or none."""
    address = _address(str(peer[0])) if isinstance(peer, tuple) else None
    return "" if address is None or _is_in(address, trusted) else _key(address)


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    """The address, without a port; None if it is not one. IPv4 in IPv6 is IPv4.

    Cached, since a connection's is asked for when it is accepted and again by its request.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_in(address: Address, trusted: Networks) -> bool:
    return any(address in network for network in trusted)


def _key(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), _PREFIX_BITS), strict=False))
    return str(address)
