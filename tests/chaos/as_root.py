"""Commands that change the machine, such as a mount or a packet filter: as root, or not at all."""

import asyncio
import os
import shutil

from .outcome import CannotRunError


def needs_root(program: str, purpose: str) -> None:
    """Raises CannotRunError if this is not root, or the program is not there."""
    if os.geteuid() or not shutil.which(program):
        raise CannotRunError(f"{purpose} requires root and {program}")


async def run_as_root(*command: str) -> None:
    """Raises CannotRunError, with what the command says, if it fails."""
    child = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, errors = await child.communicate()
    if child.returncode:
        raise CannotRunError(errors.decode().strip())
