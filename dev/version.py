"""The product's version: prints it, or sets it everywhere: `dev/version.py 1.2.3`.

All packages have the same one, since they are released together as images.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
"""As in Semantic Versioning 2.0.0, without build metadata, which an image's tag can't hold."""
_LINE = re.compile(r'^(version = "|appVersion: )([^"\s]+)', re.MULTILINE)


def files(root: Path = ROOT) -> list[Path]:
    """Every file with the version in it."""
    found = [*root.glob("libs/*/pyproject.toml"), *root.glob("services/*/pyproject.toml")]
    return sorted(found) + sorted(root.glob("deploy/chart/Chart.yaml"))


def version(root: Path = ROOT) -> str:
    """The version; ends the program with one line if the files do not agree."""
    found = files(root)
    versions = {line[2] for file in found for line in _LINE.finditer(file.read_text())}
    if len(versions) != 1:
        sys.exit("version: not the same everywhere: " + ", ".join(map(str, found)))
    return versions.pop()


def write(new: str, root: Path = ROOT) -> None:
    """Set the version in every file."""
    for file in files(root):
        file.write_text(_LINE.sub(rf"\g<1>{new}", file.read_text()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        if not VERSION.fullmatch(sys.argv[1]):
            sys.exit(f"version: {sys.argv[1]!r} is not valid: expected 1.2.3 or 1.2.3-rc.1")
        write(sys.argv[1])
    print(version())
