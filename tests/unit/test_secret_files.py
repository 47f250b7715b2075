"""Secrets in files: what counts, and the one line that a file that can't be used gets."""

from pathlib import Path

import pytest

import frontend.settings
import scheduler.settings
from runtime.secret_files import paths
from runtime.settings import SettingsError, load, secrets


def given(path: Path, **others: str) -> frontend.settings.Settings:
    return load(frontend.settings.Settings, {"CONTROL_TOKEN_FILE": str(path), **others})


def test_every_secret_may_be_in_a_file() -> None:
    assert secrets(scheduler.settings.Settings) == ["nats_url", "nats_password"]
    assert secrets(frontend.settings.Settings) == [
        *("nats_url", "nats_password", "control_token", "link_keys")
    ]


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"sesame\n", "sesame"),
        (b"sesame\r\n", "sesame"),
        (b"sesame", "sesame"),
        (b" open sesame \n", " open sesame "),
        ("größe\n".encode(), "größe"),
    ],
)
def test_a_secret_is_the_file_s_content_without_its_last_newline(
    tmp_path: Path, content: bytes, secret: str
) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    assert given(file).control_token == secret


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"", "the file is empty"),
        (b"\n", "the file is empty"),
        (b"\xff\xfe", "the file is not UTF-8"),
        (b"one\ntwo\n", "the file has to be one line of printable characters"),
    ],
)
def test_a_file_that_does_not_serve_is_named_in_one_line_with_its_variable(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as error:
        given(file)
    assert str(error.value) == f"CONTROL_TOKEN_FILE={str(file)!r} is not valid: {reason}"


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^CONTROL_TOKEN_FILE=.*: Is a directory$"):
        given(tmp_path)


def test_a_secret_that_is_given_both_ways_names_both(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sesame")
    with pytest.raises(SettingsError, match=r"^CONTROL_TOKEN and CONTROL_TOKEN_FILE are both set"):
        given(tmp_path / "token", CONTROL_TOKEN="another")


@pytest.mark.parametrize("nothing", ["", " ", "none"])
def test_nothing_and_none_give_way_to_a_file(tmp_path: Path, nothing: str) -> None:
    (tmp_path / "token").write_text("sesame")
    assert given(tmp_path / "token", CONTROL_TOKEN=nothing).control_token == "sesame"


def test_what_is_wrong_with_a_secret_in_a_file_does_not_show_it(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a:short")
    environ = {"CONTROL_TOKEN": "sesame", "LINK_KEYS_FILE": str(tmp_path / "keys")}
    with pytest.raises(SettingsError, match=r"^LINK_KEYS is not valid: ") as error:
        load(frontend.settings.Settings, environ)
    assert "short" not in str(error.value)


def test_a_setting_that_is_no_secret_has_no_file(tmp_path: Path) -> None:
    assert paths(secrets(scheduler.settings.Settings), {"HOST_FILE": str(tmp_path)}) == {}
