"""Ports for servers under test: no two get the same, also before they listen."""

import socket

import pytest

from support.ports import PORTS, free_port, free_ports


def test_no_port_is_given_twice_before_all_were() -> None:
    given = [free_port() for _ in range(500)] + free_ports(100)
    assert len(set(given)) == 600
    assert all(port in PORTS for port in given)


def test_a_port_that_is_taken_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        monkeypatch.setattr("support.ports._unused", [free, taken.getsockname()[1]])
        assert free_port() == free
        assert free_port() in PORTS  # none is left: all may be given again
