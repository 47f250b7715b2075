"""Holds, resumes, adjustments and recycles that are asked twice with one id, and the check that
every reply was true.

A reply of 503, or none, says that the outcome is unknown; every other one has to be in the stream.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from nats.aio.client import Client

from auditor.history import Event

from .countdowns import Reply, ask_within, now
from .outcome import Outcome
from .scenario import Trial

WITHIN_MS = 1000
"""As a frontend asks: a request that is held up on its way is not carried out later."""
TRIES = 60
PAUSE_SECONDS = 0.3
UNKNOWN = {0, 503}
UNDECIDED = "changes without an outcome at first (503, or none)"
STORED = {"hold": "held", "resume": "resumed", "adjust": "adjusted", "recycle": "recycled"}
"""The event of each command."""
OF_THE_RUN = ("run", "from", "starts_at", "held_at", "change")
"""What the reply to a repetition has in common with the event, also after more ticks."""


@dataclass
class Change:
    """A command with its id, and every reply with when it came, in ms since the Unix epoch."""

    kind: str
    room: str
    id: str
    replies: list[tuple[float, Reply]] = field(default_factory=list)

    @property
    def reply(self) -> Reply | None:
        """The first that tells the outcome."""
        return next((one for _, one in self.replies if one.code not in UNKNOWN), None)

    @property
    def is_done(self) -> bool:
        return self.reply is not None and self.reply.code == 200

    async def ask(self, client: Client, **fields: object) -> None:
        """Ask once."""
        fields |= {"room": self.room, "id": self.id}
        reply = await ask_within(WITHIN_MS, client, f"scheduler.{self.kind}", **fields)
        self.replies.append((now(), reply))


def new_change(trial: Trial, kind: str, room: str) -> Change:
    """A command with an id of its own, not asked yet."""
    return Change(kind, room, f"{kind}-{trial.random.randrange(16**8):08x}")


async def ask_twice(
    trial: Trial, clients: Sequence[Client], made: Change, **fields: object
) -> Change:
    """Ask twice at the same instant, and again until somebody has told the outcome."""
    two = trial.random.sample(clients, 2)
    await asyncio.gather(*(made.ask(client, **fields) for client in two))
    for _ in range(TRIES):
        if made.reply is not None:
            break
        await asyncio.sleep(PAUSE_SECONDS)
        await made.ask(trial.random.choice(clients), **fields)
    return made


def check_changes(outcome: Outcome, changes: Sequence[Change], events: Sequence[Event]) -> None:
    """Each was carried out once and every reply says so, or its run was over before."""
    for made in changes:
        in_room = [event for event in events if event.room == made.room]
        since = [event for event in in_room if event.change == f"{made.kind}:{made.id}"]
        stored = [event for event in since if event.type == STORED[made.kind]]
        if made.kind == "resume":  # the ends of planned holds that follow leave its change
            stored = stored[:1]
        over_at = min((event.stored_at for event in in_room if event.remaining == 0), default=now())
        outcome.require(len(stored) <= 1, f"{made.kind}: carried out {len(stored)} times")
        outcome.require(made.reply is not None, f"{made.kind}: nobody told the outcome")
        unknown = sum(reply.code in UNKNOWN for _, reply in made.replies)
        outcome.worst(UNDECIDED, outcome.figures.get(UNDECIDED, 0) + unknown)
        for at, reply in made.replies:
            if reply.code == 200:
                is_true = reply.body["type"] == STORED[made.kind] and bool(stored)
                # If something has followed, the answer has the terms of now.
                is_true = is_true and any(_agrees(reply, event) for event in since)
                # Of a run that was held without an end already, nothing was stored.
                is_true = is_true or (made.kind == "hold" and _was_held(reply, in_room))
            elif reply.code == 404:
                is_true = over_at <= at
            elif reply.code == 409:
                is_true = made.kind in ("resume", "recycle") and _counted(in_room, at)
            else:
                is_true = reply.code in UNKNOWN
            outcome.require(is_true, f"{made.kind}: answered {reply}: {stored or in_room[-1]}")


def _agrees(reply: Reply, event: Event) -> bool:
    stored = (event.run, event.first, event.starts_at, event.held_at, event.change)
    return stored == tuple(map(reply.body.get, OF_THE_RUN))


def _was_held(reply: Reply, events: Sequence[Event]) -> bool:
    """Whether the run was held without an end as the reply says."""
    held = [event for event in events if event.held_at is not None and event.held_until is None]
    terms = (reply.body.get("held_at"), reply.body.get("change"))
    return any((event.held_at, event.change) == terms for event in held)


def _counted(events: Sequence[Event], at: float) -> bool:
    """Whether the run was not held at some time in the two seconds before `at`."""
    before = [event for event in events if event.stored_at <= at]
    late = [event for event in before if event.stored_at > at - 2 * WITHIN_MS]
    return any(event.held_at is None for event in [*before[: len(before) - len(late)][-1:], *late])
