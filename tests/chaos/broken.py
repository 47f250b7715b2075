"""Run a service of which one loop dies after a moment: `broken.py MODULE:CLASS.METHOD SERVICE`."""

import asyncio
import importlib
import runpy
import sys
from operator import attrgetter


def main() -> None:
    where, service = sys.argv[1:3]
    module, _, path = where.partition(":")
    owner, _, method = path.rpartition(".")
    broken = attrgetter(owner)(importlib.import_module(module))
    assert hasattr(broken, method), f"there is no {where} any more"
    setattr(broken, method, _die)
    sys.argv = sys.argv[:1]
    runpy.run_module(service, run_name="__main__", alter_sys=True)


async def _die(*_: object, **__: object) -> None:
    await asyncio.sleep(0.3)
    raise RuntimeError("this loop was broken on purpose")


if __name__ == "__main__":
    main()
