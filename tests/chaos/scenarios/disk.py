"""NATS's disk is full for a while."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..as_root import needs_root, run_as_root
from ..countdowns import Fault, Plan, ask, disturb, new_rooms, now
from ..scenario import Scenario, Trial
from ..stack import Stack, running

SIZE_MB = 24
FULL_SECONDS = 2.0
RECOVERY_SECONDS = 30.0


@asynccontextmanager
async def on_a_small_disk(folder: Path) -> AsyncIterator[Stack]:
    """A stack with a file system of its own for the stream."""
    needs_root("mount", "a file system of its own")
    disk = folder / "disk"
    disk.mkdir(parents=True)
    await run_as_root("mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(disk))
    try:
        async with running(folder, store=disk / "stream") as stack:
            yield stack
    finally:
        await run_as_root("umount", str(disk))


async def full(trial: Trial) -> None:
    stack, outcome = trial.stack, trial.outcome
    ballast = stack.store.parent / "ballast"
    [elsewhere] = new_rooms(trial)

    async def fill_and_empty() -> Fault:
        at = now()
        await asyncio.to_thread(_fill, ballast)
        await asyncio.sleep(FULL_SECONDS)
        begun = time.monotonic()
        refused = await ask(stack, "scheduler.start", room=elsewhere)
        outcome.require(refused.code == 503, f"a start on a full disk was answered {refused}")
        outcome.worst("a start is refused within, s", time.monotonic() - begun)
        ballast.unlink()
        # nats-server stores nothing after a write error, so its supervisor restarts it.
        await stack.nats.stop()
        await stack.start_nats()
        emptied, emptied_at = time.monotonic(), now()
        while (await ask(stack, "scheduler.start", room=elsewhere, interval_ms=100)).code != 200:
            if time.monotonic() - emptied > RECOVERY_SECONDS:
                outcome.violations.append("no run could be started after there was space again")
                break
            await asyncio.sleep(0.1)
        outcome.worst("a run can be started again after, s", time.monotonic() - emptied)
        return Fault(at, emptied_at)

    plan = Plan(interval_ms=trial.either(700, 400))
    await disturb(trial, plan, fill_and_empty, within=0.4, keeps_sockets=True)


def _fill(ballast: Path) -> None:
    """Use up all the space."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


SCENARIOS = [
    Scenario(
        "disk-full",
        "NATS's disk is full for 2 s",
        "a start is answered 503; with space again, recovery without a restart of our services",
        full,
        rounds=2,
        setup=on_a_small_disk,
        remark="nats-server stores nothing after a write error until it is restarted, even with "
        "space again. In the Compose stack its health check ends it and Docker restarts it; "
        "here the suite does. Our services are not restarted.",
    )
]
