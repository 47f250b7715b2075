"""`python -m frontend.links` and `make link`: a link's address, or one line that says why not."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import pytest
from yarl import URL

from frontend import rights
from support import ROOT

KEYS = f"new:{'n' * 32}"
SETTINGS = {"CONTROL_TOKEN": "sesame", "LINK_KEYS": KEYS}


def run(
    settings: Mapping[str, str], *arguments: str, program: Sequence[str] = ("-m", "frontend.links")
) -> tuple[int, str, str]:
    """The exit code, and what was printed to standard output and error."""
    done = subprocess.run(
        [sys.executable, *program, *arguments],
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_it_prints_the_address_of_a_link_and_nothing_else() -> None:
    asked = ("--room", "quiz", "--right", "say", "--hours", "0.5", "--base", "https://t.example/")
    status, printed, error = run(SETTINGS | {"BASE_PATH": "/events"}, *asked)
    assert (status, error) == (0, "")
    address = URL(printed.removesuffix("\n"))
    assert f"{address.with_query(None)}" == "https://t.example/events/r/quiz"
    link = rights.parse(KEYS).read(address.query["link"], time.time())
    assert (link.room, link.right) == ("quiz", "say")
    assert 0 <= link.exp - time.time() - 1800 + 30 <= 31


def test_by_default_it_controls_main_for_twelve_hours() -> None:
    _, printed, _ = run(SETTINGS)
    address = URL(printed.strip())
    assert f"{address.with_query(None)}" == "http://localhost:8080/r/main"
    link = rights.parse(KEYS).read(address.query["link"], time.time())
    assert (link.room, link.right) == ("main", "control")
    assert abs(link.exp - time.time() - 12 * 3600) < 30


def test_for_the_stack_it_reads_the_settings_of_the_stack() -> None:
    program = [str(ROOT / "dev" / "link.py")]
    status, printed, _ = run(SETTINGS | {"PAGE_PORT": "9999"}, program=program)
    assert status == 0
    assert printed.startswith("http://localhost:9999/r/main?link=")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--right", "own"), "argument --right: invalid choice: 'own'"),
        (("--room", "No Room"), "argument --room: 1 to 64 lower-case letters"),
        (("--hours", "0"), "argument --hours: a number above 0, 8784 at most"),
        (("--hours", "nan"), "argument --hours: a number above 0"),
        (("--base", "t.example"), "argument --base: http://host[:port]"),
    ],
)
def test_what_is_not_valid_is_named(arguments: tuple[str, ...], words: str) -> None:
    status, printed, error = run(SETTINGS, *arguments)
    assert (status, printed) == (2, "")
    assert words in error


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "links: CONTROL_TOKEN is not set: anybody may control the rooms\n"),
        ({"CONTROL_TOKEN": "none"}, "links: CONTROL_TOKEN is not set: anybody may control"),
        ({"APP_ENV": "production"}, "links: CONTROL_TOKEN is not set: in production"),
        ({"CONTROL_TOKEN": "sesame", "LINK_KEYS": "a:b"}, "links: LINK_KEYS is not valid: "),
    ],
)
def test_without_a_key_to_sign_with_it_says_so(settings: dict[str, str], words: str) -> None:
    status, printed, error = run(settings)
    assert (status, printed) == (1, "")
    assert error.startswith(words)
    assert error.count("\n") == 1


def test_in_production_the_frontend_does_not_start_without_a_token() -> None:
    status, printed, error = run({"APP_ENV": "production", "PORT": "0"}, program=("-m", "frontend"))
    assert (status, printed) == (1, "")
    assert error.startswith("frontend: CONTROL_TOKEN is not set: ")
    assert "none" in error
    assert error.count("\n") == 1
