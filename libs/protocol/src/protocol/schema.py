"""The JSON Schema of all payloads, from the types: `python -m protocol.schema`."""

import inspect
import json
import sys
from typing import Any

import msgspec

from . import events, frames, messages, requests


def document() -> dict[str, Any]:
    """One JSON Schema document (draft 2020-12) whose `$defs` are all types by name."""
    types = [
        events.Started,
        events.Held,
        events.Resumed,
        events.Adjusted,
        events.Recycled,
        events.Tick,
        events.Cancelled,
        messages.Message,
        requests.Start,
        requests.Hold,
        requests.Resume,
        requests.Adjust,
        requests.Recycle,
        requests.Cancel,
        requests.ReadRoom,
        frames.RoomReply,
        *frames.SENT,
        frames.Ping,
    ]
    _, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    for definition in definitions.values():
        if "description" in definition:
            # Python 3.13 takes the indentation out of docstrings by itself, the others don't.
            definition["description"] = inspect.cleandoc(definition["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What tminus says on the bus and to viewers",
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """The document as in `docs/schema.json`."""
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
