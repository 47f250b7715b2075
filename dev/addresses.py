"""Where the page can be opened: the addresses of this machine at which it is reached.

`make compose` runs it with the address that Compose has published, so it needs nothing installed.
"""

import socket
import sys
from ipaddress import ip_address

_ANY = {"0.0.0.0": socket.AF_INET, "::": socket.AF_INET6}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_FAR = {socket.AF_INET: "198.51.100.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses for documentation (RFC 5737, RFC 3849), which are in nobody's network."""


def reached_at(host: str) -> str:
    """The host by which this machine itself reaches what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def announce(host: str, port: int) -> str:
    """The page's addresses, one a line: those for other machines first, then this machine's own."""
    if host in _ANY:
        hosts = [*_in_the_network(_ANY[host]), "localhost"]
    else:
        hosts = ["localhost" if host in _LOOPBACK else host]
    return "\n".join(f"http://{bracketed(one)}:{port}" for one in hosts)


def bracketed(host: str) -> str:
    """The host as it is written in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _in_the_network(family: socket.AddressFamily) -> list[str]:
    """This machine's addresses in its networks, that of the default route first."""
    found = []
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_FAR[family], 9))  # sends nothing
            found.append(probe.getsockname()[0])
    except OSError:
        pass  # without a route there may still be the addresses of this machine's name
    try:
        named = socket.getaddrinfo(socket.gethostname(), None, family, socket.SOCK_DGRAM)
        found += [str(address[0]) for *_, address in named]
    except OSError:
        pass
    addresses = [ip_address(one.partition("%")[0]) for one in dict.fromkeys(found)]
    return [f"{one}" for one in addresses if not (one.is_loopback or one.is_link_local)]


if __name__ == "__main__":
    published_host, _, published_port = sys.argv[1].rpartition(":")
    print(announce(published_host.strip("[]"), int(published_port)))
