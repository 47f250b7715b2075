"""A checkout whose files only their owner may read: containers have other users."""

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import ROOT

from .stack import require_engine, run

BUILD_SECONDS = 600.0


@pytest.fixture(scope="module")
def project() -> str:
    return f"tminus-umask-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, project: str) -> Iterator[Path]:
    """A copy as with `umask 077`, and the images built from it."""
    require_engine()
    copy = tmp_path_factory.mktemp("checkout")
    for name in (".dockerignore", "Dockerfile", "docker-compose.yml"):
        shutil.copy(ROOT / name, copy)
    for name in ("deploy", "libs", "requirements", "services"):
        ignored = shutil.ignore_patterns("node_modules", "__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for path in copy.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    compose = ["docker", "compose", "--project-name", project, "--project-directory", str(copy)]
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    services = ["nats", "edge", "scheduler"]
    run([*compose, "build", *services], timeout=BUILD_SECONDS, env=env)
    yield copy
    run([*compose, "down", "--rmi", "local"], env=env)


@pytest.mark.parametrize(
    ("service", "file"),
    [
        ("nats", "/etc/nats/tminus.conf"),
        ("nats", "/etc/nats/cluster.conf"),
        ("nats", "/usr/local/bin/nats.sh"),
        ("edge", "/etc/caddy/Caddyfile"),
        ("scheduler", "/app/ready.py"),
    ],
)
def test_a_container_can_read_its_files(
    checkout: Path, project: str, service: str, file: str
) -> None:
    user = ["--user", "10001:10001"]
    image = f"{project}-{service}"
    source = checkout / "deploy" / file.rpartition("/")[2].replace("tminus.conf", "nats.conf")
    assert run(["docker", "run", "--rm", *user, "--entrypoint", "cat", image, file]) == (
        source.read_text()
    )


def test_no_container_is_given_a_file_of_the_checkout() -> None:
    """A mount would keep the file's mode, whatever the image does."""
    for file in (ROOT / "docker-compose.yml", *(ROOT / "deploy").glob("*.yml")):
        assert "- ./" not in file.read_text(), file
