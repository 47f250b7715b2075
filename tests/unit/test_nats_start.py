"""deploy/nats.sh: the passwords that it puts into the server's environment, and what it refuses."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from support import ROOT

SERVER = '#!/bin/sh\nfor argument; do echo "argument=$argument"; done\nenv\n'


def start(folder: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run it with a server that prints its arguments and its environment."""
    server = folder / "bin" / "nats-server"
    server.parent.mkdir(exist_ok=True)
    server.write_text(SERVER)
    server.chmod(0o755)
    return subprocess.run(
        ["sh", str(ROOT / "deploy" / "nats.sh"), "--config", "a b"],
        env={"PATH": f"{server.parent}:{os.environ['PATH']}", **environ},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


def given(done: "subprocess.CompletedProcess[str]", name: str) -> str:
    """The variable that the server gets, read as nats.conf reads it."""
    assert (done.returncode, done.stderr) == (0, "")
    [value] = re.findall(rf"^{name}=(.*)$", done.stdout, re.MULTILINE)
    return str(json.loads(value))


def test_the_server_gets_its_arguments(tmp_path: Path) -> None:
    lines = start(tmp_path).stdout.splitlines()
    assert lines[:2] == ["argument=--config", "argument=a b"]


@pytest.mark.parametrize("password", ["sesame", "123", 'pa"ss\\word $HOME #1', " größe "])
def test_a_password_is_that_of_its_file_or_its_variable(tmp_path: Path, password: str) -> None:
    assert given(start(tmp_path, OPERATOR_PASSWORD=password), "OPERATOR_PASSWORD") == password
    file = tmp_path / "password"
    file.write_text(password + "\n")
    done = start(tmp_path, OPERATOR_PASSWORD="", OPERATOR_PASSWORD_FILE=str(file))
    assert given(done, "OPERATOR_PASSWORD") == password


def test_without_a_password_it_is_the_user_s_name(tmp_path: Path) -> None:
    done = start(tmp_path, SCHEDULER_PASSWORD="", COORDINATOR_PASSWORD="")
    assert given(done, "SCHEDULER_PASSWORD") == "scheduler"
    assert given(done, "COORDINATOR_PASSWORD") == "coordinator"


def test_the_routes_of_a_cluster_have_its_password(tmp_path: Path) -> None:
    done = start(tmp_path, CLUSTER_PASSWORD="between", CLUSTER_HOSTS="nats nats-2")
    assert given(done, "ROUTE_1") == "nats-route://cluster:between@nats:6222"
    assert given(done, "ROUTE_2") == "nats-route://cluster:between@nats-2:6222"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"A_PASSWORD": "a", "A_PASSWORD_FILE": "b"}, "A_PASSWORD and A_PASSWORD_FILE are both"),
        ({"A_PASSWORD_FILE": "/missing"}, "A_PASSWORD_FILE='/missing' is not valid: "),
        ({"A_PASSWORD_FILE": "/dev/null"}, "A_PASSWORD_FILE='/dev/null' is not valid: the file is"),
        ({"CLUSTER_PASSWORD": "a@b"}, "CLUSTER_PASSWORD may have letters, digits and ._~- only"),
    ],
)
def test_what_does_not_serve_is_refused_in_one_line(
    tmp_path: Path, environ: dict[str, str], words: str
) -> None:
    done = start(tmp_path, **environ)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"nats: {words}")
    assert done.stdout == ""
