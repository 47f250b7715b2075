"""Settings from the environment, and the one line that a wrong one gets."""

import pytest

import frontend.settings
from coordinator.settings import Settings
from runtime.settings import SettingsError, load


def test_nothing_needs_to_be_set() -> None:
    settings = load(Settings, {})
    assert (settings.port, settings.app_env) == (8787, "development")
    assert settings.nats_url == "nats://127.0.0.1:4222"
    assert settings.instance


def test_what_is_set_counts_and_what_is_empty_does_not() -> None:
    settings = load(Settings, {"PORT": "9000", "HOST": "", "LOG_LEVEL": "debug"})
    assert (settings.port, settings.host, settings.log_level) == (9000, "127.0.0.1", "DEBUG")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("METRICS_PORT", "70000"),
        ("METRICS_PORT", "8787"),
        ("APP_ENV", "staging"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("MAX_VIEWERS", "-1"),
        ("TRUSTED_PROXIES", "edge"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("NATS_URL", "localhost"),
        ("NATS_URL", "nats://"),
        ("NATS_URL", "nats://127.0.0.1:port"),
        ("NATS_URL", "nats://127.0.0.1:99999"),
        ("NATS_URL", "nats://[::1"),
        ("NATS_URL", "nats://127.0.0.1,"),
        ("NATS_URL", "nats://127.0.0.1:1,ws://127.0.0.1:2"),
        ("ALLOWED_ORIGINS", "example.org"),
        ("ALLOWED_ORIGINS", "https://"),
        ("ALLOWED_ORIGINS", "https://example.org/path"),
        ("ALLOWED_ORIGINS", "https://*.example.org"),
        ("HOST", "a..b"),
        ("INSTANCE", "x" * 129),
        ("INSTANCE", "s\udcff"),
        ("TLS_CERT", "missing.pem"),
        ("NATS_TLS_CA", "x" * 5000),
        ("MAX_VIEWERS", "9" * 400),
        ("STREAM_MAX_BYTES", f"{2**53 + 1}"),
    ],
)
def test_a_value_that_is_not_valid_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(Settings, {name: value})
    assert name in str(error.value) or "TLS_KEY" in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NATS_URL", "nats://10.0.0.1:4222, nats://[::1]:4222,tls://user:a%40b@nats.example.org"),
        ("ALLOWED_ORIGINS", "https://example.org, http://[::1]:3000/,https://a.b:8443"),
        ("ALLOWED_ORIGINS", "*"),
        ("HOST", "::1"),
        ("HOST", "0.0.0.0"),
    ],
)
def test_a_value_that_is_valid_is_taken(name: str, value: str) -> None:
    assert getattr(load(Settings, {name: value}), name.lower()) == value


def test_a_password_is_not_shown() -> None:
    with pytest.raises(SettingsError) as error:
        load(Settings, {"NATS_URL": "nats://user:secret@127.0.0.1:port"})
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("value", ["host:65536", "host:port", "a b", "https://host", "host,"])
def test_hosts_of_coordinators_are_checked(value: str) -> None:
    with pytest.raises(SettingsError, match="WS_HOST"):
        load(frontend.settings.Settings, {"WS_HOST": value})
    settings = load(frontend.settings.Settings, {"WS_HOST": "host:65535, a.b"})
    assert settings.socket_hosts("page") == ["host:65535", "a.b"]


@pytest.mark.parametrize(
    ("ws_host", "page_host", "hosts"),
    [
        ("", "192.168.0.7:8080", ["192.168.0.7:8787"]),
        ("", "[fd00::2]:8080", ["[fd00::2]:8787"]),
        ("", "laptop.local", ["laptop.local:8787"]),
        ("", 'evil"host', ["localhost:8787"]),
        (":1, :2", "192.168.0.7:8080", ["192.168.0.7:1", "192.168.0.7:2"]),
        ("[::1]:8787,[fd00::2]", "192.168.0.7:8080", ["[::1]:8787", "[fd00::2]"]),
    ],
)
def test_a_coordinator_s_host_may_be_the_page_s_or_an_address(
    ws_host: str, page_host: str, hosts: list[str]
) -> None:
    settings = load(frontend.settings.Settings, {"WS_HOST": ws_host})
    assert settings.socket_hosts(page_host) == hosts


def test_in_production_the_sockets_are_the_page_s_own() -> None:
    given = {"APP_ENV": "production", "BASE_PATH": "/a/b", "CONTROL_TOKEN": "none"}
    settings = load(frontend.settings.Settings, given)
    assert settings.socket_hosts("page") == []
    assert settings.socket_path == "/a/b/api/ws/connect"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASE_PATH", "tminus"),
        ("BASE_PATH", "/tminus/"),
        ("BASE_PATH", "/a b"),
        ("BASE_PATH", "//evil.example"),
        ("ALLOWED_FRAMES", "site.example"),
        ("ALLOWED_FRAMES", "https://a; script-src *"),
        ("ALLOWED_FRAMES", "https://[::1]"),
        ("WS_HOST", ":"),
        ("WS_HOST", "[::1"),
        ("WS_HOST", "::1"),
    ],
)
def test_the_page_s_surroundings_are_checked(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load(frontend.settings.Settings, {name: value})


KEY = "k" * 32


@pytest.mark.parametrize("token", ["", " "])
def test_in_production_it_is_said_who_may_control(token: str) -> None:
    given = {"APP_ENV": "production", "CONTROL_TOKEN": token}
    with pytest.raises(SettingsError, match=r"^CONTROL_TOKEN is not set: .*\bnone\b"):
        load(frontend.settings.Settings, given)
    assert load(frontend.settings.Settings, {"CONTROL_TOKEN": token}).link_signers() is None


@pytest.mark.parametrize(
    ("given", "is_open"),
    [
        ({"CONTROL_TOKEN": "none"}, True),
        ({"CONTROL_TOKEN": "sesame"}, False),
        ({"CONTROL_TOKEN": "sesame", "LINK_KEYS": f"a:{KEY}"}, False),
    ],
)
def test_in_production_a_token_or_none_is_enough(given: dict[str, str], is_open: bool) -> None:
    settings = load(frontend.settings.Settings, {"APP_ENV": "production", **given})
    assert (settings.link_signers() is None) is is_open


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("a:short", "LINK_KEYS is not valid: the secret of the key a has 5 characters"),
        (KEY, "LINK_KEYS is not valid: key 1 is not id:secret"),
        (f"a:{KEY}", "LINK_KEYS is set, but anybody may control: set CONTROL_TOKEN, too"),
    ],
)
def test_keys_of_links_that_do_not_serve_are_named_without_their_secret(
    keys: str, words: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{words}") as error:
        load(frontend.settings.Settings, {"LINK_KEYS": keys})
    assert KEY not in str(error.value)
    assert "short" not in str(error.value)


def test_workers_need_a_port_for_the_metrics_of_all() -> None:
    with pytest.raises(SettingsError, match=r"^METRICS_PORT is not set: with WORKERS=2 "):
        load(frontend.settings.Settings, {"WORKERS": "2"})
    given = {"WORKERS": "2", "METRICS_PORT": "9787"}
    assert load(frontend.settings.Settings, given).workers == 2
    assert load(frontend.settings.Settings, {"WORKERS": "1"}).workers == 1
