"""One abuser, who uses up whatever has no bound, beside ten rooms of honest people who count."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from .. import abuser
from ..abuser import Answers
from ..countdowns import Fault, Plan, disturb, now
from ..scenario import Scenario, Trial
from ..stack import running

PATIENCE_SECONDS = 60.0
LATE_LIMIT_MS = 30

Means = Callable[[Trial, Answers], Coroutine[Any, Any, None]]


async def abused(trial: Trial, means: Means, expected: str) -> None:
    """Abuse until the first refusal, and some seconds more; `expected` is its status."""
    answers: Answers = Counter()

    async def abuse() -> Fault:
        at = now()
        async with asyncio.TaskGroup() as group:
            abusing = group.create_task(means(trial, answers))
            deadline = time.monotonic() + PATIENCE_SECONDS
            while expected and not answers[expected] and not abusing.done():
                if time.monotonic() > deadline:
                    break
                await asyncio.sleep(0.05)
            await asyncio.sleep(trial.either(8.0, 1.0))
            abusing.cancel()
        return Fault(at, now())

    plan = Plan(rooms=10, viewers=20, first=trial.either(40, 12), interval_ms=500)
    await disturb(trial, plan, abuse, within=0.05, keeps_sockets=True)
    for answer, count in answers.items():
        trial.outcome.worst(f"answered {answer}", count)
    outcome = trial.outcome
    outcome.worst("a tick late at a viewer, ms", outcome.last_seen_late_ms)
    outcome.require(not expected or answers[expected] > 0, f"never {expected}: {dict(answers)}")


def _scenario(
    name: str,
    does: str,
    status: str,
    means: Means,
) -> Scenario:
    refused = f"refused with {status.rstrip('+')}" if status else "what is not read is dropped"
    return Scenario(
        f"abuse-{name}",
        f"one abuser {does}; ten rooms count",
        f"{refused}; no tick of the ten more than {LATE_LIMIT_MS} ms late",
        partial(abused, means=means, expected=status),
        rounds=1,
        setup=partial(running, frontends=1),
        late_limit_ms=LATE_LIMIT_MS,
    )


COUNTDOWN = "/api/rooms/abuse/countdown"

SCENARIOS = [
    _scenario(
        "starts",
        "starts over HTTP without a pause",
        "429+",
        partial(abuser.by_http, "POST", COUNTDOWN, {}),
    ),
    _scenario(
        "bad-starts",
        "sends starts over HTTP that are not valid",
        "429+",
        partial(abuser.by_http, "POST", COUNTDOWN, {"from": "ten"}),
    ),
    _scenario(
        "rooms",
        "writes in one room after another over HTTP",
        "429+",
        partial(abuser.by_http, "POST", "/api/rooms/abuse-%d/messages", {"text": "a"}),
    ),
    _scenario(
        "messages",
        "sends 4 KB messages over HTTP",
        "429+",
        partial(abuser.by_http, "POST", "/api/rooms/abuse/messages", {"text": "y" * 4000}),
    ),
    _scenario(
        "pages",
        "loads pages without a pause",
        "429+",
        partial(abuser.by_http, "GET", "/r/abuse-%d", None),
    ),
    _scenario("runs", "starts runs at 100 ms", "429", partial(abuser.runs, abuser.fast)),
    _scenario(
        "scheduled", "schedules runs for tomorrow", "429", partial(abuser.runs, abuser.tomorrow)
    ),
    _scenario(
        "aligned-runs",
        "starts as many runs as allowed, due at the same instants as somebody's ticks",
        "429",
        partial(abuser.runs, abuser.aligned),
    ),
    _scenario(
        "bus-messages",
        "publishes 4 KB messages on the bus",
        "",
        partial(abuser.flood, "countdown.abuse.message", "y" * 4000),
    ),
    _scenario(
        "bus-small-messages",
        "publishes messages of one byte on the bus",
        "",
        partial(abuser.flood, "countdown.abuse.message", "y"),
    ),
    _scenario(
        "bus-starts",
        "publishes starts on the bus",
        "",
        partial(abuser.flood, "scheduler.start", '{"room":"abuse"}'),
    ),
    _scenario(
        "bus-bad-starts",
        "publishes starts on the bus that are not valid",
        "",
        partial(abuser.flood, "scheduler.start", '{"from":"ten"}'),
    ),
    _scenario(
        "bus-violations",
        "publishes on the bus where that is not permitted",
        "",
        partial(abuser.flood, "countdown.abuse.events", "{}"),
    ),
    _scenario(
        "bus-rooms",
        "asks for rooms on the bus",
        "",
        partial(abuser.flood, "coordinator.room", '{"room":"abuse"}'),
    ),
    _scenario(
        "bus-gets",
        "asks on the bus for a room's last message",
        "",
        partial(abuser.flood, "$JS.API.DIRECT.GET.COUNTDOWN.countdown.abuse.message", ""),
    ),
    _scenario(
        "bus-pings", "publishes $SRV.PING on the bus", "", partial(abuser.flood, "$SRV.PING", "")
    ),
    _scenario("connections", "opens connections and asks for nothing", "429+", abuser.connections),
    _scenario("viewers", "opens viewers of as many rooms", "429+", abuser.viewers),
]
