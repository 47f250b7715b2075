"""The bus as a person uses it: asking a service, reading the stream."""

import json
from typing import Any

from nats.aio.client import Client
from nats.js.errors import NotFoundError

from protocol import subjects

REQUEST_SECONDS = 5
CHANGES: list[tuple[str, dict[str, int]]] = [
    ("hold", {}),
    ("resume", {}),
    ("adjust", {"seconds": 60}),
]
"""Requests that change a run, each of which the one before allows."""


async def ask(bus: Client, subject: str, **request: Any) -> tuple[int, Any]:
    """Ask a service; gives the code (200 if it is no error) and the reply's JSON."""
    reply = await bus.request(subject, json.dumps(request).encode(), timeout=REQUEST_SECONDS)
    code = int((reply.headers or {}).get("Nats-Service-Error-Code", "200"))
    return code, json.loads(reply.data) if reply.data else None


async def history(bus: Client, room: str = "main") -> list[dict[str, Any]]:
    """The room's events in the stream, each with its `seq`; read without our own code."""
    jetstream = bus.jetstream()
    events: list[dict[str, Any]] = []
    info = await jetstream.stream_info(subjects.STREAM)
    for seq in range(info.state.first_seq, info.state.last_seq + 1):
        try:
            entry = await jetstream.get_msg(subjects.STREAM, seq)
        except NotFoundError:
            continue
        if entry.subject == f"countdown.{room}.events":
            try:
                events.append(json.loads(entry.data or b"") | {"seq": seq})
            except ValueError:
                continue
    return events


async def messages(bus: Client) -> list[tuple[str, str]]:
    """The room and the text of every message in the stream."""
    jetstream = bus.jetstream()
    last = (await jetstream.stream_info(subjects.STREAM)).state.last_seq
    entries = [await jetstream.get_msg(subjects.STREAM, seq) for seq in range(1, last + 1)]
    return [
        (str(entry.subject).split(".")[1], json.loads(entry.data or b"")["text"])
        for entry in entries
        if str(entry.subject).endswith(".message")
    ]
