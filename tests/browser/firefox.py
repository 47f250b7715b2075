"""Firefox as it comes, for Playwright: `python -m browser.firefox` takes Firefox's own arguments.

Playwright drives an unpatched Firefox over WebDriver BiDi, but sends a command that Firefox does
not know. This runs Firefox behind a WebSocket that answers it, and passes on the rest.
"""

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

NAMES = ["firefox-esr", "firefox"]
UNKNOWN = {"emulation.setMediaFeaturesOverride"}
LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


def executable(folder: Path) -> Path | None:
    """A program for Playwright to launch, written into `folder`; None without a Firefox."""
    if not any(map(shutil.which, NAMES)):
        return None
    path = folder / "firefox"
    tests = Path(__file__).parents[1]
    path.write_text(
        f'#!/bin/sh\nPYTHONPATH={tests} exec {sys.executable} -m browser.firefox "$@"\n'
    )
    path.chmod(0o755)
    return path


async def main(arguments: list[str]) -> int:
    """Run Firefox until it ends; its exit code."""
    program = next(path for name in NAMES if (path := shutil.which(name)))
    firefox = await asyncio.create_subprocess_exec(
        program, *arguments, stderr=asyncio.subprocess.PIPE
    )
    assert firefox.stderr is not None
    while line := (await firefox.stderr.readline()).decode(errors="replace"):
        if listening := LISTENING.search(line):
            break
        sys.stderr.write(line)
    else:
        return await firefox.wait()

    async def pass_on(client: ServerConnection) -> None:
        async with connect(f"{listening[1]}/session", max_size=None, proxy=None) as browser:

            async def answers() -> None:
                async for answer in browser:
                    await client.send(answer)

            passing = asyncio.create_task(answers())
            async for command in client:
                asked = json.loads(command)
                if asked["method"] in UNKNOWN:
                    answer = {"type": "success", "id": asked["id"], "result": {}}
                    await client.send(json.dumps(answer))
                else:
                    await browser.send(command)
            passing.cancel()

    async with serve(pass_on, "127.0.0.1", 0, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        sys.stderr.write(f"WebDriver BiDi listening on ws://127.0.0.1:{port}\n")
        sys.stderr.flush()
        while await firefox.stderr.read(65_536):
            pass
        return await firefox.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
