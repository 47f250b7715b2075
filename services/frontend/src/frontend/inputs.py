"""Reading a request: a room's name, a body, a form; or a Problem if it can't be read."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from protocol import subjects
from protocol.events import RunId

from .problem import Problem, not_valid

Form = dict[str, str]

NOT_A_ROOM: Final = "A room's name is 1 to 64 lower-case letters, digits and inner hyphens."
KEY_PATTERN: Final = r'^("[!#-\[\]-~]{1,36}"|[!#-\[\]-~]{1,36})$'
"""The values of `Idempotency-Key` that are accepted."""
_KEY = re.compile(KEY_PATTERN)
BODY_SECONDS: Final = 20.0
"""How long a body may take: as long as all that comes before it."""


def room_name(request: web.Request) -> str:
    """The room in the address; raises Problem if the name is invalid."""
    name = request.match_info["room"]
    if not subjects.is_room(name):
        raise Problem(422, NOT_A_ROOM, field="room")
    return name


def room_names(request: web.Request) -> list[str]:
    """The rooms in the query's `names`; raises Problem if they are invalid."""
    try:
        return subjects.rooms(request.query.get("names", ""))
    except subjects.RoomsError as error:
        raise Problem(422, f"names: {error}.", field="names") from None


def idempotency_key(request: web.Request, given: str | None, field: str) -> str | None:
    """The id of a write: `given` in the `field` of its body, or by the header `Idempotency-Key`.

    The header is a quoted string (draft-ietf-httpapi-idempotency-key-header, 2.1), and many
    programs leave the quotes out. Raises Problem if it is invalid, or not what is `given`.
    """
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return given
    if not _KEY.fullmatch(header):
        raise Problem(
            422, "Idempotency-Key: should be 1 to 36 visible ASCII characters.", "Idempotency-Key"
        )
    key = header.strip('"')
    if given not in (None, key):
        raise Problem(422, f"{field}: should be the Idempotency-Key, or be left out.", field)
    return key


def run(fields: Mapping[str, str]) -> str | None:
    """The run that a query or a form names; None if it has none. Raises Problem."""
    try:
        return msgspec.convert(fields.get("run"), RunId | None)
    except msgspec.ValidationError as error:
        raise not_valid(f"run: {error}") from None


async def read(request: web.Request) -> bytes:
    """The body as it is; raises Problem."""
    async with _readable(request):
        return await request.read()


async def read_form(request: web.Request) -> Form:
    """The fields of a form, files left out; raises Problem."""
    async with _readable(request):
        given = await request.post()
        fields = {name: value for name, value in given.items() if isinstance(value, str)}
        for name, value in fields.items():
            (name + value).encode()  # some charsets decode to what is no Unicode
    return fields


@asynccontextmanager
async def _readable(request: web.Request) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            yield
    except TimeoutError:
        _read_nothing_more(request)
        raise Problem(408, f"The body takes longer than {BODY_SECONDS:.0f} seconds.") from None
    except (web.RequestPayloadError, ConnectionResetError) as error:
        _read_nothing_more(request)
        raise _unreadable(error) from None
    except (HttpProcessingError, LookupError, RuntimeError, ValueError) as error:
        raise _unreadable(error) from None


def _read_nothing_more(request: web.Request) -> None:
    """What is left of the body can't be read, so nothing can follow on this connection."""
    request.content.feed_eof()
    request.protocol.close()


def _unreadable(error: Exception) -> Problem:
    return Problem(400, f"The body can't be read: {' '.join(str(error).split())[:200]}.")
