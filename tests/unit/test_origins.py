"""Which web pages may call, however their origin is written."""

import pytest
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from runtime.origin import parse
from runtime.origins import Origins
from runtime.settings import PublicSettings


def admitted(
    origin: str | None, host: str = "t.example", allowed: str = "", app_env: str = "production"
) -> bool:
    settings = PublicSettings(port=0, allowed_origins=allowed, app_env=app_env)  # type: ignore[arg-type]
    headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
    return Origins(settings).admit(make_mocked_request("GET", "/", headers))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://t.example", "t.example"),
        ("https://t.example", "t.example:443"),
        ("http://t.example", "t.example:80"),
        ("https://t.example:8443", "t.example:8443"),
        ("https://T.example", "t.EXAMPLE"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://[::1]", "[0:0::1]:80"),
    ],
)
def test_a_page_of_the_service_s_own_host_may_call(origin: str, host: str) -> None:
    assert admitted(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://t.example", "t.example:80"),
        ("http://t.example", "t.example:443"),
        ("https://t.example:8443", "t.example"),
        ("https://evil.example", "t.example"),
        ("https://t.example.evil.example", "t.example"),
        ("null", "t.example"),
        ("file://", "t.example"),
        ("chrome-extension://t.example", "t.example"),
        ("", "t.example"),
        ("null", ""),
        ("https://t.example/path", "t.example"),
        ("https://t.example@evil.example", "evil.example"),
        ("https://t.example:99999", "t.example:99999"),
        ("https://[1::2::3]", "[1::2::3]"),
        ("https://t.example", "\xff"),
    ],
)
def test_a_page_of_another_host_may_not(origin: str, host: str) -> None:
    assert not admitted(origin, host)


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("https://a.example:443", "https://a.example"),
        ("https://a.example", "https://a.example:443"),
        ("HTTPS://A.example/", "https://a.example"),
        ("http://b.example, https://a.example:8443", "https://a.example:8443"),
        ("null", "null"),
        ("file://", "file://"),
        ("file:///", "file://"),
        ("https://größe.example", "https://xn--gre-6ka8i.example"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("http://[::1]:80", "http://[::1]"),
        ("*", "null"),
        ("*", "whatever"),
    ],
)
def test_a_page_of_an_origin_that_is_allowed_may(allowed: str, origin: str) -> None:
    assert admitted(origin, allowed=allowed)
    assert allowed == "*" or not admitted("https://c.example", allowed=allowed)


def test_a_program_which_sends_no_origin_may() -> None:
    assert admitted(None)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8080", "localhost:8787"),
        ("http://127.0.0.1:8080", "localhost:8787"),
        ("http://192.168.0.7:8080", "192.168.0.7:8787"),
        ("http://laptop.local:8080", "laptop.local:8787"),
        ("http://[fd00::2]:8080", "[fd00::2]:8787"),
    ],
)
def test_in_development_a_page_of_the_same_machine_may_on_any_port(origin: str, host: str) -> None:
    assert admitted(origin, host, app_env="development")
    assert not admitted(origin, host)


@pytest.mark.parametrize("origin", ["http://192.168.0.8:8080", "null", "file://"])
def test_in_development_a_page_of_another_machine_may_not(origin: str) -> None:
    assert not admitted(origin, "192.168.0.7:8787", app_env="development")


@pytest.mark.parametrize("text", ["", "example.org", "https://", "https://*.a", "https://a:99999"])
def test_what_is_no_origin_is_not_read_as_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an? (origin|port)"):
        parse(text)


def test_a_refusal_is_logged() -> None:
    origins = Origins(PublicSettings(port=0, app_env="production"))
    request = make_mocked_request("GET", "/", {"Host": "t.example", "Origin": "https://a.example"})
    with capture_logs() as logs:
        assert not origins.admit(request)
    [line] = logs
    assert (line["origin"], line["host"]) == ("https://a.example", "t.example")
