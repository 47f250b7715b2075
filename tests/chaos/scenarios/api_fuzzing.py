"""The JSON API, fuzzed with valid and invalid requests from its own OpenAPI description."""

import asyncio
import sys
from functools import partial
from pathlib import Path

from ..countdowns import Fault, Plan, disturb, now
from ..outcome import CannotRunError
from ..scenario import Scenario, Trial
from ..stack import running

SCHEMATHESIS = Path(sys.prefix) / "fuzzing" / "bin" / "schemathesis"
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
]


async def fuzzed(trial: Trial) -> None:
    if not SCHEMATHESIS.exists():
        raise CannotRunError("schemathesis is not installed: make chaos installs it")
    [frontend] = [one for name, one in trial.stack.services.items() if name.startswith("frontend")]

    async def fuzz() -> Fault:
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
        report = output.decode(errors="replace")
        trial.outcome.require(child.returncode == 0, report[-3000:])
        return Fault(at, now())

    await disturb(trial, Plan(interval_ms=300), fuzz, within=0.1)


# All requests come from one address, and far more of them than a person would send.
UNBOUNDED = {
    f"MAX_{what}{whose}": "1000000"
    for what in ("COMMANDS", "READS", "ROOMS")
    for whose in ("", "_PER_ADDRESS")
}

SCENARIOS = [
    Scenario(
        "api",
        "valid and invalid requests, generated from the JSON API's description (schemathesis)",
        "no 500, no hang, no undocumented answer",
        fuzzed,
        rounds=1,
        setup=partial(running, frontends=1, env=UNBOUNDED),
        late_limit_ms=100,
    )
]
