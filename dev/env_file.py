"""Reads `.env` as Docker Compose does, so that it means the same without Docker.

python-dotenv finds the statements. Three rules of Compose's differ from its own: where a comment
begins behind a value, what `$` does, and that nothing that can't be read is skipped.
"""

import io
import re
from collections import ChainMap
from collections.abc import Mapping

from dotenv.parser import Binding, parse_stream

_SINGLE_QUOTED = re.compile(r"[^=]*=\s*'")
_DOUBLE_QUOTED = re.compile(r'[^=]*=\s*"')
_VARIABLE = re.compile(
    r"""\$(?:
        (?P<dollar>\$)
        | (?P<name>[a-z_][a-z0-9_]*)
        | \{ (?P<braced>[a-z_][a-z0-9_]*) (?: (?P<operator>:?-) (?P<default>[^{}]*) )? \}
        | (?P<unknown>\{)
    )""",
    re.VERBOSE | re.IGNORECASE,
)


def read(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that `text` sets; `$NAME` is that of `environ`, or else of a line above.

    Raises ValueError naming the first line that can't be read.
    """
    values: dict[str, str] = {}
    known = ChainMap(dict(environ), values)
    for statement in parse_stream(io.StringIO(text.removeprefix("\ufeff"))):
        if statement.error:
            raise ValueError(f"line {_line(statement)}: expected NAME=value")
        # A name alone means the variable of the environment, which takes precedence anyway.
        if statement.key is None or statement.value is None:
            continue
        try:
            values[statement.key] = _value(statement, known)
        except ValueError as error:
            raise ValueError(f"line {_line(statement)}: {error}") from None
    return values


def _line(statement: Binding) -> int:
    written = statement.original.string
    return statement.original.line + written[: len(written) - len(written.lstrip())].count("\n")


def _value(statement: Binding, known: Mapping[str, str]) -> str:
    written, value = statement.original.string, statement.value or ""
    if _SINGLE_QUOTED.match(written):
        return value
    if _DOUBLE_QUOTED.match(written):
        return _expand(value.replace(r"\$", "$$"), known)
    _, _, rest = written.partition("=")
    return _expand(rest.lstrip().partition(" #")[0].rstrip(), known)


def _expand(value: str, known: Mapping[str, str]) -> str:
    def replaced(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        if found["unknown"]:
            raise ValueError("'${' is not followed by NAME}, NAME-default} or NAME:-default}")
        name, operator = found["name"] or found["braced"], found["operator"]
        if name in known and (known[name] or operator != ":-"):
            return known[name]
        return found["default"] or ""

    return _VARIABLE.sub(replaced, value)
