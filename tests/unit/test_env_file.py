"""`.env` without Docker: the same values as with it, or one line that says what can't be read."""

import os
import subprocess
import sys
from pathlib import Path

import env_file
import processes
import pytest

from support import ROOT
from support.env_file_cases import CASES, ENVIRON, ILLEGIBLE


@pytest.mark.parametrize(("text", "values"), CASES.items())
def test_a_value_is_what_compose_reads(text: str, values: dict[str, str]) -> None:
    assert env_file.read(text, ENVIRON) == values
    assert env_file.read(text + "\n", ENVIRON) == values


@pytest.mark.parametrize(("text", "line"), ILLEGIBLE.items())
def test_what_can_not_be_read_is_named_by_its_line(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"^line {line}: "):
        env_file.read(text, ENVIRON)


def test_every_setting_of_the_example_can_be_read() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    settings = [line[1:] for line in lines if line.startswith("#") and "=" in line.split(" ")[0]]
    assert len(settings) > 25
    assert len(env_file.read("\n".join(settings), {})) == len(settings)


def test_the_environment_takes_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("\ufeffexport PAGE_PORT=1\nBUS_PORT=2\nLOG_LEVEL=\n")
    monkeypatch.setattr(processes, "ROOT", tmp_path)
    monkeypatch.setenv("BUS_PORT", "3")
    settings = processes.environment()
    assert (settings["PAGE_PORT"], settings["BUS_PORT"]) == ("1", "3")
    assert "LOG_LEVEL" not in settings


def test_a_password_may_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("SCHEDULER_PASSWORD_FILE=password\n")
    (tmp_path / "password").write_text("größe\n")
    monkeypatch.setattr(processes, "ROOT", tmp_path)
    settings = processes.environment()
    assert processes.on_the_bus("scheduler", settings)["NATS_PASSWORD"] == "größe"
    assert processes.nats(settings).env["SCHEDULER_PASSWORD"] == '"größe"'
    monkeypatch.setenv("SCHEDULER_PASSWORD", "another")
    with pytest.raises(SystemExit, match=r"^tminus: SCHEDULER_PASSWORD and .*_FILE are both set"):
        processes.environment()


@pytest.mark.parametrize("text", [b"A=x\nwhat is this\n", b"A=\xff\n"])
def test_a_file_that_can_not_be_read_ends_the_program_with_one_line(
    tmp_path: Path, text: bytes
) -> None:
    (tmp_path / ".env").write_bytes(text)
    program = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import processes; "
        "processes.ROOT = pathlib.Path(sys.argv[2]); processes.environment()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "dev"), str(tmp_path)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("tminus: .env: ")
