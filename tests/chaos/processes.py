"""A real process that can be killed, frozen and looked at."""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

END_SECONDS = 15.0


class Process:
    """A child process whose output goes to a file; it can be started again with the same words."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.command = list(command)
        self.env = dict(env)
        self.log_file = folder / f"{name}.log"
        self.was_told_to_end = False
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None, f"{self.name} was never started"
        return self._child.pid

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return None if self._child is None else self._child.returncode

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended; one that is frozen runs, too."""
        return self._child is not None and self._child.returncode is None

    async def start(self) -> None:
        self.was_told_to_end = False
        with self.log_file.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                *self.command,
                env=self.env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        if self._child.returncode is None:
            with suppress(ProcessLookupError):
                self._child.send_signal(number)

    async def ended(self, seconds: float = END_SECONDS) -> int:
        """Wait for the end; gives the exit status."""
        assert self._child is not None
        return await asyncio.wait_for(self._child.wait(), seconds)

    async def kill(self) -> None:
        """As by kill -9 or the power cord."""
        self.was_told_to_end = True
        self.signal(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> int:
        """As by a supervisor; gives the exit status."""
        self.was_told_to_end = True
        self.signal(signal.SIGTERM)
        return await self.ended()

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    async def discard(self) -> None:
        """End it whatever state it is in."""
        if self.is_running:
            self.thaw()
            await self.kill()

    def memory_mb(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def files(self) -> int:
        """How many file descriptors are open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def log(self) -> str:
        """All that it has printed."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
