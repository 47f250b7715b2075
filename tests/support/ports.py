"""Free ports, of those that the system gives to no outgoing connection meanwhile.

None is given again before all were: whoever got it may not listen on it yet when the next is asked
for.
"""

import socket
from contextlib import ExitStack, suppress
from random import SystemRandom
from typing import Final

PORTS: Final = range(15_000, 32_768)
"""Below the ephemeral ports of Linux, macOS and Windows."""
_unused: list[int] = []


def free_port() -> int:
    """A port of the loopback interface on which nothing listens now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Several of them, all different."""
    ports = list[int]()
    with ExitStack() as probes:
        while len(ports) < count:
            if not _unused:
                _unused.extend(SystemRandom().sample(PORTS, len(PORTS)))
            port = _unused.pop()
            with suppress(OSError):
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
                ports.append(port)
    return ports
