"""Programs that a measurement runs: pinned to a core, logged to a file, stopped at the end."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.machine import CACHE, ROOT

START_SECONDS = 20.0
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Program:
    """A running program."""

    name: str
    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self.process.pid


@asynccontextmanager
async def running(
    name: str,
    command: Sequence[str | Path],
    *,
    core: int | str | None,
    port: int,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Program]:
    """Start the program on a core (several: `0,1`; None: any), wait until it listens, stop it at
    the end.

    Raises RuntimeError where it ends or stays deaf before that.
    """
    pinned = ["taskset", "--cpu-list", str(core)] if core is not None else []
    log = CACHE / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            *pinned,
            *(str(word) for word in command),
            env={**os.environ, **(environment or {})},
            stdout=out,
            stderr=out,
            stdin=asyncio.subprocess.DEVNULL,
        )
    try:
        await _listening(name, process, port, log)
        yield Program(name, process)
    finally:
        await _stop(process)


async def _listening(name: str, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            if process.returncode is not None:
                raise RuntimeError(
                    f"{name} ended with {process.returncode}: see {log.relative_to(ROOT)}"
                )
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def python(module: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", module]
