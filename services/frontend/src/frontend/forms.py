"""The page's forms: they work without a script, and end where they began."""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from protocol import requests
from runtime.clock import whole_now_ms

from . import asking, bodies, guard, pages
from .bodies import Form
from .refusals import Refused, not_valid


async def start(request: web.Request) -> web.Response:
    """`POST /r/<room>/start`: `from`, `interval_ms`, `starts_at` or `minutes` from now."""

    async def run(room: str, form: Form) -> None:
        await asking.start(request.app, _start(room, form, whole_now_ms()))

    return await _answer(request, "start", run)


async def cancel(request: web.Request) -> web.Response:
    """`POST /r/<room>/cancel`."""

    async def run(room: str, _: Form) -> None:
        await asking.cancel(request.app, room)

    return await _answer(request, "cancel", run)


async def send(request: web.Request) -> web.Response:
    """`POST /r/<room>/messages`: `text`."""

    async def run(room: str, form: Form) -> None:
        await asking.send(request.app, room, form.get("text", ""))

    return await _answer(request, "message", run)


async def _answer(
    request: web.Request, control: str, run: Callable[[str, Form], Awaitable[None]]
) -> web.Response:
    room = asking.room_name(request)
    form: Form = {}
    try:
        form = await bodies.read_form(request)
        guard.check_token(request, form.pop("token", ""))
        await run(room, form)
    except Refused as refused:
        return await pages.render(request, room, refused, control, form)
    raise web.HTTPSeeOther(location=pages.address(request, room))


def _start(room: str, form: Form, now: int) -> requests.Start:
    """The start that a form asks for; a field left empty asks for the default."""
    fields: dict[str, object] = {key: value for key, value in form.items() if value.strip()}
    minutes = fields.pop("minutes", None)
    if minutes is not None:
        try:
            lead_ms = int(float(str(minutes).replace(",", ".")) * 60_000)
        except (ValueError, OverflowError):
            raise not_valid("minutes: expected a number") from None
        if not 0 <= lead_ms <= requests.MAX_LEAD_MS:
            raise not_valid("minutes: out of range")
        if lead_ms:
            fields["starts_at"] = now + lead_ms
    try:
        return msgspec.convert(fields | {"room": room}, requests.Start, strict=False)
    except msgspec.ValidationError as error:
        raise not_valid(requests.describe(error)) from None
