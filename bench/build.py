"""Builds the load, the limit and the peers from their packages; what can't be is left out."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.machine import CACHE, PROGRAMS, ROOT

SOURCES = ROOT / "bench"
PEERS = SOURCES / "peers"
REQUIREMENTS = ROOT / "requirements" / "bench.txt"
BUILD_SECONDS = 600


def build_all() -> dict[str, str]:
    """Build everything that is out of date; gives the reason for each thing that is left out.

    Raises CalledProcessError where the load or the limit can't be built: all needs them.
    """
    left_out = build_load()
    _once("limit", [SOURCES / "limit.c"], lambda: _compile("limit"))
    builders: dict[str, Callable[[], None]] = {
        "bun": lambda: _npm("bun"),
        "node": lambda: _npm("node"),
        "workerd": lambda: _npm("workerd"),
        "centrifuge": _go,
        "caddy": _python_tools,
    }
    for name, build in builders.items():
        folder = PEERS / name
        sources = sorted(folder.iterdir()) if folder.is_dir() else [REQUIREMENTS]
        try:
            _once(name, sources, build)
        except FileNotFoundError as error:
            left_out[name] = f"needs {error.filename}, which is not installed"
        except subprocess.CalledProcessError as error:
            last = (error.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
            left_out[name] = f"could not be built: {' '.join(last)[:160]}"
    left_out["centrifugo"] = (
        "no package registry serves the program; its library, Centrifuge, is measured"
    )
    return left_out


def build_load() -> dict[str, str]:
    """Build the load alone, with TLS where that can be; gives the reason where it can't."""
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    (CACHE / "run").mkdir(exist_ok=True)
    left_out: dict[str, str] = {}
    try:
        _once(
            "load",
            [SOURCES / "load.c"],
            lambda: _compile("load", "-DWITH_TLS", "-lssl", "-lcrypto"),
        )
    except subprocess.CalledProcessError:
        left_out["tls"] = "OpenSSL's headers are not installed (libssl-dev)"
        _once("load", [SOURCES / "load.c"], lambda: _compile("load"))
    return left_out


def _once(name: str, sources: Sequence[Path], build: Callable[[], None]) -> None:
    """Build unless the sources are those of the last build that succeeded."""
    stamp = CACHE / "built" / name
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"building {name}", flush=True)
    build()
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(digest)


def _compile(name: str, *flags: str) -> None:
    libraries = [flag for flag in flags if flag.startswith("-l")]
    defines = [flag for flag in flags if not flag.startswith("-l")]
    source = SOURCES / f"{name}.c"
    _run(
        ["cc", "-O2", "-Wall", "-Wextra", *defines, source, "-o", PROGRAMS / name, *libraries],
        SOURCES,
    )


def _npm(name: str) -> None:
    folder = CACHE / "peers" / name
    shutil.copytree(PEERS / name, folder, dirs_exist_ok=True)
    _run(
        ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"],
        folder,
    )


def _go() -> None:
    _run(["go", "build", "-o", PROGRAMS / "centrifuge", "."], PEERS / "centrifuge")


def _python_tools() -> None:
    venv = CACHE / "venv"
    _run([sys.executable, "-m", "venv", venv], SOURCES)
    install: list[str | Path] = [
        venv / "bin" / "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "-r",
        REQUIREMENTS,
    ]
    _run(install, SOURCES)


def _run(command: Sequence[str | Path], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=BUILD_SECONDS)
