"""The address that a request comes from: past trusted proxies, and no further."""

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from runtime.client_address import client_address, networks


def address(remote: str, *forwarded: str, trusted: str = "10.0.0.0/8, fd00::/8") -> str:
    headers = CIMultiDict([("X-Forwarded-For", value) for value in forwarded])
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=remote)
    return client_address(request, networks(trusted))


def test_nobody_is_believed_who_is_not_trusted() -> None:
    assert address("192.0.2.1", "198.51.100.7") == "192.0.2.1"
    assert address("10.0.0.2", "198.51.100.7", trusted="") == "10.0.0.2"


def test_the_edge_is_believed() -> None:
    assert address("10.0.0.2", "198.51.100.7") == "198.51.100.7"
    assert address("fd00::2", "198.51.100.7") == "198.51.100.7"
    assert address("::ffff:10.0.0.2", "198.51.100.7") == "198.51.100.7"


@pytest.mark.parametrize(
    "forwarded",
    [
        ["203.0.113.9, 198.51.100.7"],
        ["203.0.113.9", "198.51.100.7"],
        ["203.0.113.9, 198.51.100.7, 10.9.9.9"],
        ["10.0.0.1, 198.51.100.7 ,10.0.0.3"],
        ["unknown, 198.51.100.7"],
        ["198.51.100.7:4711"],
    ],
)
def test_what_the_client_has_written_itself_is_not(forwarded: list[str]) -> None:
    assert address("10.0.0.2", *forwarded) == "198.51.100.7"


@pytest.mark.parametrize("forwarded", [[], [""], ["unknown"], ["198.51.100.7, _hidden"], [","]])
def test_without_a_valid_entry_it_is_the_proxy_s_own(forwarded: list[str]) -> None:
    assert address("10.0.0.2", *forwarded) == "10.0.0.2"


def test_a_customer_s_ipv6_addresses_are_one() -> None:
    assert address("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert address("10.0.0.2", "[2001:db8:1:2:ffff::9]:443") == "2001:db8:1:2::/64"
    assert address("10.0.0.2", "2001:db8:1:3::1") == "2001:db8:1:3::/64"
    assert address("::ffff:192.0.2.1") == "192.0.2.1"
    assert address("fe80::1%eth0") == "fe80::/64"
