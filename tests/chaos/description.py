"""The JSON API, tried with what its own description allows and with what it does not."""

import asyncio
import sys
from functools import partial
from pathlib import Path

from .countdowns import Harm, Plan, disturb, now
from .outcome import CannotRunError
from .row import Row, Trial
from .stack import running

SCHEMATHESIS = Path(sys.prefix) / "fuzzing" / "bin" / "schemathesis"
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
]


async def tried(trial: Trial) -> None:
    if not SCHEMATHESIS.exists():
        raise CannotRunError("schemathesis is not installed: make chaos does it")
    [frontend] = [one for name, one in trial.stack.services.items() if name.startswith("frontend")]

    async def ask_everything() -> Harm:
        at = now()
        command = [
            *(str(SCHEMATHESIS), "run", frontend.url("/api/openapi.json")),
            *("--checks", ",".join(CHECKS)),
            *(
                "--max-examples",
                str(trial.either(100, 5)),
                "--seed",
                str(trial.random.randrange(10**6)),
            ),
            *("--suppress-health-check", "all", "--phases", "examples,coverage,fuzzing"),
            *("--request-timeout", "5", "--no-color"),
        ]
        child = await asyncio.create_subprocess_exec(
            *command,
            cwd=trial.stack.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(child.communicate(), 180.0)
        finally:
            if child.returncode is None:
                child.kill()
        words = output.decode(errors="replace")
        trial.outcome.demand(child.returncode == 0, words[-3000:])
        return Harm(at, now())

    await disturb(trial, Plan(interval_ms=300), ask_everything, within=0.1)


ROWS = [
    Row(
        "api",
        "requests made from the JSON API's description, valid and not (schemathesis)",
        "no 500, no hang, no answer that is not described",
        tried,
        rounds=1,
        setting=partial(running, frontends=1),
        late_limit_ms=100,
    )
]
