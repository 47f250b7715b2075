"""`.env` with Docker: what Compose itself makes of the cases of tests/unit/test_env_file.py."""

import os
import subprocess
from pathlib import Path

import pytest

from support.env_file_cases import CASES, ENVIRON
from support.skip import skip

from .stack import run


@pytest.mark.parametrize(("text", "values"), CASES.items())
def test_compose_reads_it_so(text: str, values: dict[str, str], tmp_path: Path) -> None:
    try:
        run(["docker", "compose", "version"])
    except (OSError, AssertionError, subprocess.TimeoutExpired):
        skip("no Docker Compose here")
    (tmp_path / ".env").write_bytes(text.encode())
    (tmp_path / "compose.yml").write_text("services: {}\n")

    done = subprocess.run(
        ["docker", "compose", "config", "--environment"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **ENVIRON},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for name, value in values.items():
        assert f"{name}={ENVIRON.get(name, value)}\n" in done.stdout
