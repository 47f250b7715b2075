"""Writes protocol.d.ts, what the page's script knows of the frames, from the protocol's own types.

`python services/frontend/types/generate.py` writes it; with `--check` it only tells whether the
file still says what the protocol does.
"""

import sys
from pathlib import Path
from typing import TypeAlias

import msgspec

from protocol import frames
from protocol.events import PlannedHold
from protocol.frames import SENT

Schema: TypeAlias = dict[str, object]

FILE = Path(__file__).with_name("protocol.d.ts")
HEAD = "// What coordinators and pages say to each other. Made by generate.py, not by hand.\n"
# A service writes every field of the others. A page may leave one out, and terms the usual ones.
_LEAVE_OUT = {
    frames.Ping.__name__,
    PlannedHold.__name__,
    *(kind.__name__ for kind in SENT if kind.__struct_config__.omit_defaults),
}
_PLAIN = {"integer": "number", "number": "number", "string": "string", "boolean": "boolean"}


def generate() -> str:
    """The declarations as TypeScript."""
    _, types = msgspec.json.schema_components(
        [*SENT, frames.Ping, frames.RoomReply], ref_template="{name}"
    )
    parts = [HEAD]
    parts += [_interface(name, schema) for name, schema in sorted(types.items())]
    parts.append(f"export type Frame = {' | '.join(kind.__name__ for kind in SENT)};\n")
    return "\n".join(parts)


def _interface(name: str, schema: Schema) -> str:
    properties = _schemas(schema["properties"])
    required = schema.get("required", [])
    assert isinstance(required, list)
    lines = []
    for field, of in properties.items():
        is_optional = name in _LEAVE_OUT and field not in required
        lines.append(f"  {field}{'?' if is_optional else ''}: {_type(of)};\n")
    return f"export interface {name} {{\n{''.join(lines)}}}\n"


def _type(schema: Schema) -> str:
    match schema:
        case {"$ref": str(name)}:
            return name
        case {"anyOf": list(choices)}:
            return " | ".join(_type(choice) for choice in choices)
        case {"enum": list(values)}:
            return " | ".join(msgspec.json.encode(value).decode() for value in values)
        case {"type": "array", "items": dict(items)}:
            return f"{_type(items)}[]"
        case {"type": "null"}:
            return "null"
        case {"type": str(plain)}:
            return _PLAIN[plain]
    raise ValueError(f"no word for {schema}")


def _schemas(value: object) -> dict[str, Schema]:
    return msgspec.convert(value, dict[str, Schema])


def main() -> None:
    """Write the file, or check it."""
    made = generate()
    if sys.argv[1:] != ["--check"]:
        FILE.write_text(made)
    elif FILE.read_text() != made:
        sys.exit(f"{FILE.name} is not what the protocol says any more: make schema")


if __name__ == "__main__":
    main()
