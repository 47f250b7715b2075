"""Today's services and an earlier commit's, to be run in the same environment."""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.machine import CACHE, ROOT

BEFORE = os.environ.get("BEFORE", "54b2005")
"""The last commit whose coordinator followed every room, or one to compare with instead."""
SOURCES = ("libs", "services/coordinator", "services/scheduler")


@dataclass(frozen=True, slots=True)
class Version:
    """A commit's services."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)


@contextmanager
def versions(left_out: dict[str, str], before: str = BEFORE) -> Iterator[list[Version]]:
    """Today's services, and those of the commit `before` where the repository has it."""
    run = CACHE / "run"
    run.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=run))
    found = [Version("now")]
    left_out.pop("before", None)
    try:
        _unpack(before, folder)
    except FileNotFoundError:
        left_out["before"] = "needs git, which is not installed"
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        left_out["before"] = f"the commit {before} is not here: {' '.join(reason)[:160]}"
    else:
        path = os.pathsep.join(str(source) for source in sorted(folder.glob("*/*/src")))
        found.append(Version("before", {"PYTHONPATH": path}))
    try:
        yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(ref: str, folder: Path) -> None:
    command = ["git", "archive", ref, *SOURCES]
    archive = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
