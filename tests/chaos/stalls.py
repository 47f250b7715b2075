"""The machine's own delays, measured by a process that only sleeps and syncs a file.

No tick can be more punctual than that, so the table shows both. `stalls.py FILE` measures until
SIGTERM, then prints the worst sleep and the worst sync in milliseconds.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

NAP_SECONDS = 0.005
NAPS_A_SYNC = 10


@dataclass
class Stalls:
    """The worst delay of a sleep and the longest sync, in milliseconds."""

    sleep_ms: float = 0.0
    sync_ms: float = 0.0


@asynccontextmanager
async def measured(folder: Path) -> AsyncIterator[Stalls]:
    """Measure; the result is filled in when the context is left."""
    folder.mkdir(parents=True, exist_ok=True)
    stalls = Stalls()
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, str(folder / "stalls"), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield stalls
    finally:
        child.terminate()
        output, _ = await asyncio.wait_for(child.communicate(), 10.0)
        stalls.sleep_ms, stalls.sync_ms = map(float, output.split() or (0, 0))


def measure(file: Path) -> Stalls:
    """Sleep and sync until SIGTERM."""
    stalls, is_over = Stalls(), False

    def end(*_: object) -> None:
        nonlocal is_over
        is_over = True

    signal.signal(signal.SIGTERM, end)
    with file.open("wb", buffering=0) as sink:
        while not is_over:
            for _ in range(NAPS_A_SYNC):
                begun = time.perf_counter()
                time.sleep(NAP_SECONDS)
                overslept = time.perf_counter() - begun - NAP_SECONDS
                stalls.sleep_ms = max(stalls.sleep_ms, overslept * 1000)
            sink.seek(0)
            sink.write(b"a tick, or something as long as a tick" * 10)
            begun = time.perf_counter()
            os.fsync(sink.fileno())
            stalls.sync_ms = max(stalls.sync_ms, (time.perf_counter() - begun) * 1000)
    return stalls


if __name__ == "__main__":
    worst = measure(Path(sys.argv[1]))
    print(worst.sleep_ms, worst.sync_ms)
