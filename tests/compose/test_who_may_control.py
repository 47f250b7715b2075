"""What the stacks say about who may control; for that Compose needs no engine."""

import os
import subprocess
from pathlib import Path

import pytest

from support import ROOT

from .stack import require_compose

PUBLIC = ("--file", "docker-compose.yml", "--file", "deploy/public.yml")


@pytest.fixture(scope="module", autouse=True)
def compose() -> None:
    require_compose()


def config(*files: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["docker", "compose", "--env-file", os.devnull, *files, "config"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_on_this_machine_anybody_may_and_a_token_is_passed_on() -> None:
    assert "CONTROL_TOKEN: none\n" in config().stdout
    given = config(CONTROL_TOKEN="sesame", LINK_KEYS="a:secret").stdout
    assert "CONTROL_TOKEN: sesame\n" in given
    assert "LINK_KEYS: a:secret\n" in given


def test_a_token_in_a_file_is_passed_on_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sesame")
    given = config(CONTROL_TOKEN_FILE=str(tmp_path / "token")).stdout
    assert "CONTROL_TOKEN_FILE: /run/secrets/control_token\n" in given
    assert f"file: {tmp_path}/token\n" in given
    assert "sesame" not in given


@pytest.mark.parametrize("token", ["", "none", "sesame"])
def test_in_the_public_stack_nobody_answers_for_the_operator(token: str) -> None:
    """Without a token the frontend does not start: see test_settings.py."""
    given = config(*PUBLIC, EDGE_SITE="t.example", CONTROL_TOKEN=token).stdout
    assert f"CONTROL_TOKEN: {token or chr(34) * 2}\n" in given
