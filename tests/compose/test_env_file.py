"""`.env` with Docker: what Compose itself makes of the cases of tests/unit/test_env_file.py."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from support.env_file_cases import CASES, ENVIRON

from .stack import require_compose


@pytest.fixture(scope="module", autouse=True)
def compose() -> None:
    """Compose without an engine is enough here."""
    require_compose()


@pytest.mark.parametrize(("text", "values"), CASES.items())
def test_compose_reads_it_so(text: str, values: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(text.encode())
    environment = {name: f"${{{name}}}" for name in values}
    services = {"service": {"image": "image", "environment": environment}}
    (tmp_path / "compose.yml").write_text(json.dumps({"services": services}))
    done = subprocess.run(
        ["docker", "compose", "config", "--format", "json"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **ENVIRON},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(done.stdout)["services"]["service"]["environment"]
    # Compose writes `$` twice, so that what it prints could be read again.
    assert {name: value.replace("$$", "$") for name, value in found.items()} == values | {
        name: value for name, value in ENVIRON.items() if name in values
    }
