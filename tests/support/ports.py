"""Free ports, of those that the system gives to no outgoing connection meanwhile."""

import socket
from contextlib import ExitStack, suppress
from random import SystemRandom
from typing import Final

PORTS: Final = range(15_000, 32_768)
"""Below the ephemeral ports of Linux, macOS and Windows."""


def free_port() -> int:
    """A port of the loopback interface on which nothing listens now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Several of them, all different."""
    first, ports = SystemRandom().randrange(len(PORTS)), list[int]()
    with ExitStack() as probes:
        for number in range(first, first + len(PORTS)):
            if len(ports) == count:
                break
            port = PORTS[number % len(PORTS)]
            with suppress(OSError):
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
                ports.append(port)
    return ports
