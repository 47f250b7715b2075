"""Which core a program runs on, and which program gives way."""

import os
import shutil
from pathlib import Path

TASKSET = shutil.which("taskset")


def two_cores() -> list[int] | list[None]:
    """Two of the cores that this process may use; twice None if it has one, or can't choose."""
    cores = sorted(os.sched_getaffinity(0)) if TASKSET else []
    return cores[:2] if len(cores) > 1 else [None, None]


def give_way() -> None:
    """Have this thread, and what it starts from now on, run while no other program wants to."""
    if hasattr(os, "SCHED_IDLE"):  # Linux
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def pinned(command: list[str], core: int | None) -> list[str]:
    """The command that has `command` run on this core alone, and what it starts, too."""
    return command if core is None else [f"{TASKSET}", "-c", f"{core}", *command]


def pinned_program(program: str, core: int | None, folder: Path) -> str:
    """The path of a program that runs `program` on this core alone; it is written to `folder`."""
    if core is None:
        return program
    path = folder / f"{Path(program).name}-{core}"
    command = " ".join(pinned([program], core))
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)
    return f"{path}"
