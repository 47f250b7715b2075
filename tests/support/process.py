"""A real process that can be killed, frozen and looked at.

`Process` waits by blocking, for synchronous tests. `AsyncProcess` lets the event loop go on, so
that waiting for one process delays nothing that is measured meanwhile.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

END_SECONDS = 15.0
LOOK_SECONDS = 0.005


class Child:
    """A child process whose output goes to a file; it can be started again with the same command.

    Here is all that takes no time.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.env = dict(env)
        self.cwd = cwd
        self.log_file = folder / f"{name}.log"
        self.was_told_to_end = False
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def child(self) -> "subprocess.Popen[bytes]":
        """The process that was started last."""
        assert self._child is not None, f"{self.name} was never started"
        return self._child

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def status(self) -> int | None:
        """The exit status; None before the start and while it runs."""
        return None if self._child is None else self._child.poll()

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended; a frozen process runs, too."""
        return self._child is not None and self._child.poll() is None

    def spawn(self) -> None:
        """Start it, without waiting for anything."""
        self.was_told_to_end = False
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self._child = subprocess.Popen(
                self.command,
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def signal(self, number: Signals) -> None:
        """Send a signal; nothing happens if the process has ended."""
        self.child.send_signal(number)

    def end_by(self, number: Signals) -> None:
        """Send a signal that should end it, so that its end is no surprise."""
        self.was_told_to_end = True
        self.signal(number)

    def freeze(self) -> None:
        self.signal(SIGSTOP)

    def thaw(self) -> None:
        self.signal(SIGCONT)

    def memory_mb(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def files(self) -> int:
        """How many file descriptors are open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def children(self) -> list[int]:
        """The processes that it has started and that have not ended."""
        return [
            int(child)
            for task in Path(f"/proc/{self.pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]

    def log(self) -> str:
        """All that it has printed."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""


class Process(Child):
    """Waits by blocking."""

    def start(self) -> None:
        self.spawn()

    def ended(self, seconds: float = END_SECONDS) -> int:
        """Wait for the end; gives the exit status."""
        return self.child.wait(seconds)

    def kill(self) -> None:
        """As `kill -9` or a power cut does; nothing happens if it does not run."""
        if self.is_running:
            self.end_by(SIGKILL)
            self.ended()

    def stop(self) -> int:
        """As a supervisor does; gives the exit status."""
        self.end_by(SIGTERM)
        return self.ended()


class AsyncProcess(Child):
    """Waits without blocking the event loop."""

    async def start(self) -> None:
        self.spawn()

    async def ended(self, seconds: float = END_SECONDS) -> int:
        """Wait for the end; gives the exit status."""
        deadline = time.monotonic() + seconds
        while (status := self.child.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} has not ended after {seconds} s")
            await asyncio.sleep(LOOK_SECONDS)
        return status

    async def kill(self) -> None:
        """As `kill -9` or a power cut does."""
        self.end_by(SIGKILL)
        await self.ended()

    async def stop(self) -> int:
        """As a supervisor does; gives the exit status."""
        self.end_by(SIGTERM)
        return await self.ended()

    async def discard(self) -> None:
        """End it, whatever state it is in."""
        if self.is_running:
            await self.kill()
