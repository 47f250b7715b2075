"""Files that may be replaced or written over while the service runs: certificates, secrets."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

CHECK_SECONDS: Final = 5.0
"""How often to look whether the files have changed."""

_Version = list[tuple[int, int, int]] | None
"""What changes with the files; None if one of them is missing."""


class WatchedFiles:
    """Some files, and how they were when they were last looked at."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        self._version = self._look()

    async def changed(self) -> None:
        """Wait until they are not as they were; a file that is missing is a change, too."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            version = self._look()
            if version != self._version:
                self._version = version
                return

    def _look(self) -> _Version:
        try:
            found = [path.stat() for path in self._paths]
        except OSError:
            return None
        return [(file.st_ino, file.st_size, file.st_mtime_ns) for file in found]
