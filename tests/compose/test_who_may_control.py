"""What the stacks say about who may control; for that Compose needs no engine."""

import os
import subprocess

import pytest

from support import ROOT
from support.skip import skip

from .stack import run

PUBLIC = ("--file", "docker-compose.yml", "--file", "deploy/public.yml")


@pytest.fixture(scope="module", autouse=True)
def compose() -> None:
    try:
        run(["docker", "compose", "version"])
    except (OSError, AssertionError, subprocess.TimeoutExpired):
        skip("no Docker Compose here")


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


@pytest.mark.parametrize("token", ["", "none", "sesame"])
def test_the_public_stack_does_not_start_without_an_answer(token: str) -> None:
    done = config(*PUBLIC, EDGE_SITE="t.example", CONTROL_TOKEN=token)
    if token:
        assert f"CONTROL_TOKEN: {token}\n" in done.stdout
    else:
        assert done.returncode != 0
        assert "CONTROL_TOKEN is missing a value" in done.stderr
