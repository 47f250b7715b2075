"""The addresses that `make dev` prints: those that a browser can open."""

import socket
from typing import Any

import addresses
import pytest


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a few addresses, whatever this one has."""

    class Probe(socket.socket):
        def connect(self, address: Any) -> None:
            if self.family == socket.AF_INET6:
                raise OSError("no route")

        def getsockname(self) -> tuple[str, int]:
            return ("192.168.0.7", 5)

    def named(_host: str, _port: None, family: int, _kind: int) -> list[Any]:
        found = {
            socket.AF_INET: ["127.0.1.1", "192.168.0.7", "10.0.0.7"],
            socket.AF_INET6: ["::1", "fe80::1%eth0", "fd00::2"],
        }[socket.AddressFamily(family)]
        return [(family, 0, 0, "", (address, 0)) for address in found]

    monkeypatch.setattr(socket, "socket", Probe)
    monkeypatch.setattr(socket, "getaddrinfo", named)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", ["http://localhost:80"]),
        ("::1", ["http://localhost:80"]),
        ("192.168.0.7", ["http://192.168.0.7:80"]),
        ("fd00::2", ["http://[fd00::2]:80"]),
        ("0.0.0.0", ["http://192.168.0.7:80", "http://10.0.0.7:80", "http://localhost:80"]),
        ("::", ["http://[fd00::2]:80", "http://localhost:80"]),
    ],
)
def test_every_address_that_is_printed_can_be_opened(host: str, expected: list[str]) -> None:
    assert addresses.announce(host, 80).splitlines() == expected


def test_without_a_network_there_is_still_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(addresses, "_FAR", {socket.AF_INET: "not an address"})
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert addresses.announce("0.0.0.0", 80) == "http://localhost:80"
