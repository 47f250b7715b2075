"""The page's forms: they work without a script, and redirect back to the page."""

from collections.abc import Awaitable, Callable
from functools import wraps

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from protocol import requests
from runtime.clock import whole_now_ms

from . import auth, backend, inputs, pages
from .inputs import Form
from .problem import Problem, not_valid

Act = Callable[[web.Request, str, Form], Awaitable[None]]


def rerendered(control: str) -> Callable[[Act], Handler]:
    """Answer a form with 303 back to its room, or with the page and a problem's words beside
    `control`."""

    def decorate(act: Act) -> Handler:
        @wraps(act)
        async def handle(request: web.Request) -> web.Response:
            room = inputs.room_name(request)
            form: Form = {}
            try:
                form = await inputs.read_form(request)
                auth.check_token(request, form.pop("token", ""))
                await act(request, room, form)
            except Problem as problem:
                return await pages.render(request, room, problem, control, form)
            raise web.HTTPSeeOther(location=pages.address(request, room))

        return handle

    return decorate


@rerendered("start")
async def start(request: web.Request, room: str, form: Form) -> None:
    """`POST /r/<room>/start`: `from`, `interval_ms`, `starts_at` or `minutes` from now."""
    await backend.start(request.app, _start(room, form, whole_now_ms()))


@rerendered("cancel")
async def cancel(request: web.Request, room: str, _form: Form) -> None:
    """`POST /r/<room>/cancel`."""
    await backend.cancel(request.app, room)


@rerendered("message")
async def send(request: web.Request, room: str, form: Form) -> None:
    """`POST /r/<room>/messages`: `text`."""
    await backend.send(request.app, room, form.get("text", ""))


def _start(room: str, form: Form, now: int) -> requests.Start:
    """The start request of a form; an empty field means the default."""
    fields: dict[str, object] = {key: value for key, value in form.items() if value.strip()}
    minutes = fields.pop("minutes", None)
    if minutes is not None:
        try:
            lead_ms = inputs.lead_ms(str(minutes))
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
