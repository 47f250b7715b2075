"""The product's version is the same everywhere."""

import subprocess
import sys
from pathlib import Path

import pytest
import version

from support import ROOT


def checkout(folder: Path, *versions: str) -> Path:
    for number, text in enumerate(versions):
        package = folder / "libs" / f"package-{number}"
        package.mkdir(parents=True)
        (package / "pyproject.toml").write_text(f'[project]\nversion = "{text}"\n')
    return folder


def test_every_package_has_the_same_version() -> None:
    assert version.VERSION.fullmatch(version.version())
    assert len(version.files()) >= 6


def test_packages_that_do_not_agree_are_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"not the same everywhere: .*package-1"):
        version.version(checkout(tmp_path, "1.0.0", "1.0.1"))


def test_a_new_version_is_written_everywhere(tmp_path: Path) -> None:
    root = checkout(tmp_path, "1.0.0", "1.0.0")
    version.write("1.1.0-rc.1", root)
    assert version.version(root) == "1.1.0-rc.1"


@pytest.mark.parametrize("text", ["1.2", "v1.2.3", "1.2.3+4"])
def test_what_is_no_version_is_refused(text: str) -> None:
    before = version.version()
    command = [sys.executable, str(ROOT / "dev" / "version.py"), text]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert version.version() == before
