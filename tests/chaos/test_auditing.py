"""A scheduler that breaks a rule fails its scenario, by the auditor beside it."""

import sys
from pathlib import Path

from auditor.history import Event

from . import history
from .auditing import check_audit
from .countdowns import ask, settled, start
from .outcome import Outcome
from .stack import Stack, running

FAULTY = Path(__file__).parent / "faulty.py"
RUN = {"from": 6, "interval_ms": 150}


async def _alone(stack: Stack, fault: str) -> None:
    """Put a faulty scheduler in the place of all others."""
    for scheduler in stack.schedulers:
        if scheduler.process.is_running:
            await scheduler.process.stop()
    command = [sys.executable, str(FAULTY), fault]
    await stack.ready(await stack.add(f"scheduler-{fault}", command=command))


async def _until_tick(stack: Stack, room: str, number: int) -> None:
    def has_it(events: list[Event]) -> bool:
        return any((event.room, event.remaining) == (room, number) for event in events)

    while not has_it(await history.read(stack)):
        pass


async def test_each_broken_rule_is_found(tmp_path: Path) -> None:
    async with running(tmp_path, schedulers=1, coordinators=0) as stack:
        run = await start(stack, "right", **RUN)
        await settled(stack, [run])
        before = Outcome()
        await check_audit(stack, before)
        assert before.holds, before.violations
        assert before.audited == 7
        for fault in ("early", "duplicate", "out_of_order", "after_end"):
            await _alone(stack, fault)
            run = await start(stack, fault.replace("_", "-"), **RUN)
            if fault == "after_end":
                await _until_tick(stack, "after-end", 4)
                assert (await ask(stack, "scheduler.cancel", room="after-end")).code == 200
            else:
                await settled(stack, [run])
            outcome = Outcome()
            await check_audit(stack, outcome)
            assert not outcome.holds
            text = " ".join(outcome.violations)
            assert f'"kind": "{fault}"' in text, text


async def test_an_auditor_that_was_away_has_not_found_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, schedulers=1, coordinators=0) as stack:
        assert stack.auditor is not None
        await stack.auditor.process.kill()
        await settled(stack, [await start(stack, "main", **RUN)])
        await stack.auditor.process.start()
        await stack.ready()
        outcome = Outcome()
        await check_audit(stack, outcome)
        assert outcome.violations == ["auditor-1 has checked 0 of 7 ticks"]
