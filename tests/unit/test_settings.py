"""Settings from the environment, and the one line that a wrong one gets."""

import pytest

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
        ("APP_ENV", "staging"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("MAX_VIEWERS", "-1"),
        ("NATS_URL", "localhost"),
        ("ALLOWED_ORIGINS", "example.org"),
        ("INSTANCE", "x" * 129),
        ("TLS_CERT", "missing.pem"),
    ],
)
def test_a_value_that_is_not_valid_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(Settings, {name: value})
    assert name in str(error.value) or "TLS_KEY" in str(error.value)
    assert "\n" not in str(error.value)
