"""The viewers: load.c, started and told what to do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from bench.machine import LOAD_CORE, PROGRAMS


class Report(msgspec.Struct, frozen=True):
    """What viewers received since the reset; `late_ms` by half per cents, then 99.9 and 99.99."""

    viewers: int
    served: int
    gone: int
    frames: int
    other_frames: int
    hellos: int
    pongs: int
    bytes: int
    bytes_sent: int
    disordered: int
    seconds: float
    cpu_seconds: float
    first_to_last_seconds: float
    last_at_us: float
    timed: int
    worst_ms: float
    late_ms: list[float]

    def late(self, per_cent: float) -> float:
        """The time in milliseconds within which so many per cent of the frames came."""
        return self.late_ms[200] if per_cent == 99.9 else self.late_ms[int(per_cent * 2)]


class Incomplete(Exception):
    """Viewers did not get in, or did not get every frame once and in order."""


class Load:
    """A crowd of viewers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def join(self, viewers: int, *, seconds: float = 60) -> Report:
        """More viewers, all at once. Raises Incomplete unless all are served in time."""
        report = await self._order(f"join {viewers} {seconds * 1000:.0f}", seconds + 5)
        if report.served != report.viewers:
            raise Incomplete(
                f"{report.served} of {report.viewers} viewers were served, {report.gone} are gone"
            )
        return report

    async def reset(self, *, is_timed: bool = True) -> Report:
        """Reset the counts and times, for the viewers who are connected."""
        return await self._order(f"reset {is_timed:d}", 10)

    async def pings(self, every_ms: int) -> Report:
        """From now on every viewer sends a ping so often; 0: never."""
        return await self._order(f"pings {every_ms}", 10)

    async def report(self) -> Report:
        """What came since the reset."""
        return await self._order("report", 10)

    async def expect(self, frames: int, *, seconds: float = 60) -> Report:
        """Wait for so many frames since the reset. Raises Incomplete unless they came in order."""
        report = await self._order(f"expect {frames} {seconds * 1000:.0f}", seconds + 5)
        if report.frames != frames or report.disordered or report.gone:
            raise Incomplete(
                f"{report.frames} of {frames} frames, {report.disordered} out of order, "
                f"{report.gone} viewers gone, {report.hellos} resynchronised"
            )
        return report

    async def _order(self, line: str, seconds: float) -> Report:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(seconds):
            answer = await self._process.stdout.readline()
        if not answer:
            raise Incomplete(f"the load ended at: {line}")
        return msgspec.json.decode(answer, type=Report)


@asynccontextmanager
async def load(port: int, options: Sequence[str] = ()) -> AsyncIterator[Load]:
    """Start a load for the server on the port; its options are told in load.c."""
    process = await asyncio.create_subprocess_exec(
        *("taskset", "--cpu-list", str(LOAD_CORE)),
        PROGRAMS / "load",
        *("--port", str(port)),
        *options,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    try:
        yield Load(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
