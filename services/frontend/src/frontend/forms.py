"""The page's forms: they work without a script, and redirect back to the page."""

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import wraps
from typing import TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from protocol import requests
from protocol.events import Terms
from protocol.messages import MessageId
from protocol.requests import Adjust, Cancel, Hold, Recycle, Resume, Start
from runtime.clock import whole_now_ms

from . import auth, backend, boards, inputs, links, pages, written
from .inputs import Form
from .problem import Problem, not_valid
from .rights import Right

Act = Callable[[web.Request, str, Form], Awaitable[None]]
R = TypeVar("R", Start, Hold, Resume, Adjust, Recycle, Cancel)


def rerendered(control: str, right: Right = Right.CONTROL) -> Callable[[Act], Handler]:
    """Answer a form that needs this right with 303 back to its room, or with the page and a
    problem's words beside `control`; one that was sent from a board goes back to that."""

    def decorate(act: Act) -> Handler:
        @wraps(act)
        async def handle(request: web.Request) -> web.Response:
            room, board = inputs.room_name(request), None
            form: Form = {}
            try:
                form = await inputs.read_form(request)
                board = boards.of_form(form)
                request[auth.LINK] = board.links if board else form.pop("link", "")
                auth.require(request, room, right)
                await act(request, room, form)
            except Problem as problem:
                if board:
                    return await boards.render(request, board, problem, control, room, form)
                return await pages.render(request, room, problem, control, form)
            back = boards.address(request, board) if board else pages.address(request, room)
            raise web.HTTPSeeOther(location=back)

        return handle

    return decorate


@rerendered("start")
async def start(request: web.Request, room: str, form: Form) -> None:
    """`POST /r/<room>/start`: `from`, `interval_ms`, `starts_at` or `minutes` from now, `run`,
    `after_zero`, `warning`, `danger`, `holds`."""
    asked = _start(room, form, whole_now_ms())
    if asked.run and await backend.is_over(request.app, room, asked.run):
        # The form is an earlier one, by the Back button: this is another start.
        asked = msgspec.structs.replace(asked, run=None)
    try:
        await backend.start(request.app, asked)
    except Problem as problem:
        # A form that is sent twice is one start, and its minutes count from the first time.
        if not (form.get("minutes") and problem.field == "run" and _is_start_of(problem, asked)):
            raise


@rerendered("cancel")
async def cancel(request: web.Request, room: str, form: Form) -> None:
    """`POST /r/<room>/cancel`: `run`."""
    await backend.change(request.app, _asked(Cancel, room, _filled(form)))


@rerendered("change")
async def hold(request: web.Request, room: str, form: Form) -> None:
    """`POST /r/<room>/hold`: `run`, `id`."""
    await backend.change(request.app, _asked(Hold, room, _filled(form)))


@rerendered("change")
async def resume(request: web.Request, room: str, form: Form) -> None:
    """`POST /r/<room>/resume`: `run`, `id`."""
    await backend.change(request.app, _asked(Resume, room, _filled(form)))


@rerendered("change")
async def adjust(request: web.Request, room: str, form: Form) -> None:
    """`POST /r/<room>/adjust`: `seconds`, `run`, `id`."""
    await backend.change(request.app, _asked(Adjust, room, _filled(form)))


@rerendered("change")
async def recycle(request: web.Request, room: str, form: Form) -> None:
    """`POST /r/<room>/recycle`: `to`, `run`, `id`."""
    await backend.change(request.app, _asked(Recycle, room, _with_numbers(_filled(form), "to")))


@rerendered("message", Right.SAY)
async def send(request: web.Request, room: str, form: Form) -> None:
    """`POST /r/<room>/messages`: `text`, `id`."""
    await backend.send(request.app, room, form.get("text", ""), _message_id(form))


async def sign_in(request: web.Request) -> web.Response:
    """`POST /r/<room>/link`: `token`; answered with 303 to the room, by a link to control it."""
    room, keys = inputs.room_name(request), auth.keys(request)
    try:
        form = await inputs.read_form(request)
        auth.require_token(request, form.get("token", ""))
    except Problem as problem:
        return await pages.render(request, room, problem, "sign-in")
    request[auth.LINK] = links.to_control(keys, room, time.time())
    raise web.HTTPSeeOther(location=pages.address(request, room))


def _filled(form: Form) -> Form:
    """The fields that are not empty: an empty one means the default."""
    return {name: value for name, value in form.items() if value.strip()}


def _message_id(form: Form) -> str | None:
    try:
        return msgspec.convert(_filled(form).get("id"), MessageId | None)
    except msgspec.ValidationError as error:
        raise not_valid(f"id: {error}") from None


def _is_start_of(problem: Problem, asked: Start) -> bool:
    """Whether the conflicting run counts from the same number at the same interval."""
    if problem.event is None:
        return False
    started = msgspec.json.decode(problem.event, type=Terms)
    return (started.from_, started.interval_ms) == (asked.from_, asked.interval_ms)


def _start(room: str, form: Form, now: int) -> Start:
    """The start request of a form."""
    fields = _with_numbers(_filled(form), "from", "warning", "danger")
    minutes = fields.pop("minutes", None)
    if minutes is not None:
        try:
            lead_ms = written.lead_ms(str(minutes))
        except (ValueError, OverflowError):
            raise not_valid("minutes: expected a number") from None
        if not 0 <= lead_ms <= requests.MAX_LEAD_MS:
            raise not_valid("minutes: out of range")
        if lead_ms:
            fields["starts_at"] = now + lead_ms
    try:
        fields["holds"] = written.holds(str(fields.get("holds", "")))
    except ValueError as error:
        raise not_valid(str(error)) from None
    return _asked(Start, room, fields)


def _with_numbers(form: Form, *names: str) -> dict[str, object]:
    """The fields, with those that people may write as a time read as numbers."""
    fields: dict[str, object] = dict(form)
    for name in names:
        # What is no number is refused by its own words.
        with suppress(ValueError):
            fields[name] = written.number(form.get(name, ""))
    return fields


def _asked(kind: type[R], room: str, fields: Mapping[str, object]) -> R:
    """The request of a form's fields."""
    try:
        return msgspec.convert({**fields, "room": room}, kind, strict=False)
    except msgspec.ValidationError as error:
        raise not_valid(requests.describe(error)) from None
