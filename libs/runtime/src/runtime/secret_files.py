"""Secrets in files: instead of `X`, `X_FILE` may name the file whose content is the setting `X`."""

from collections.abc import Iterable, Mapping
from pathlib import Path


class SecretFileError(ValueError):
    """A secret can't be read from its file; the text names the variable and says why, in a line."""


def variable(name: str) -> str:
    """The variable that names the file of the setting `name`."""
    return f"{name.upper()}_FILE"


def paths(names: Iterable[str], environ: Mapping[str, str]) -> dict[str, Path]:
    """The files of those settings that have one, by the settings' names.

    Raises SecretFileError if a setting is given both ways.
    """
    found = {}
    for name in names:
        if path := environ.get(variable(name), "").strip():
            # `none` says that there is no secret: what a stack gives where nobody has set one.
            if environ.get(name.upper(), "").strip() not in ("", "none"):
                raise SecretFileError(
                    f"{name.upper()} and {variable(name)} are both set: only one can count"
                )
            found[name] = Path(path)
    return found


def read(name: str, path: Path) -> str:
    """The secret in the file: its text without the newline at its end. Raises SecretFileError."""
    shown = f"{variable(name)}={str(path)!r} is not valid"
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise SecretFileError(f"{shown}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretFileError(f"{shown}: the file is not UTF-8") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise SecretFileError(f"{shown}: the file is empty")
    if not secret.isprintable():
        raise SecretFileError(f"{shown}: the file has to be one line of printable characters")
    return secret
