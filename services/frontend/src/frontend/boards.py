"""The board: many rooms on one page, each with its controls. Their names are in its address."""

import re
from collections.abc import Mapping, Sequence

import aiohttp_jinja2
import msgspec
from aiohttp import web
from msgspec import Struct
from yarl import URL

from protocol import subjects
from protocol.frames import RoomReply
from runtime.clock import whole_now_ms

from . import backend, budgets, first_paint, pages
from .first_paint import FirstPaint
from .problem import Problem
from .settings import SETTINGS
from .view import view_of

_MOVING = ("scheduled", "running", "held", "overtime")
_FAST_SECONDS, _SLOW_SECONDS = 1, 15
"""How soon a page without a script loads itself again: while a run is under way, and otherwise."""


class Card(Struct, frozen=True, kw_only=True):
    """One room on the board: what it shows, and what its forms send."""

    room: str
    reply: RoomReply | None
    first_paint: FirstPaint
    run: str
    change_id: str
    problem: Problem | None
    control: str
    given: Mapping[str, str]


async def board(request: web.Request) -> web.Response:
    """`GET /rooms?names=quiz,launch`; without names, a form that asks for them."""
    given = request.query.get("names", "")
    typed = _typed(given)
    if typed != given:
        raise web.HTTPSeeOther(location=address(request, typed.split(",")))
    if not typed:
        return _page(request, [])
    try:
        names = subjects.rooms(typed)
    except subjects.RoomsError as error:
        return _page(request, [], Problem(422, f"This board can't be shown: {error}."))
    return await render(request, names)


async def render(
    request: web.Request,
    names: Sequence[str],
    problem: Problem | None = None,
    control: str = "",
    room: str = "",
    given: Mapping[str, str] | None = None,
) -> web.Response:
    """The board of these rooms; a `problem` is shown beside `control` of `room`, and its form keeps
    the values that were `given`."""
    budgets.charge(request, len(names) - 1)
    replies: Sequence[RoomReply | None]
    try:
        replies, nobody = await backend.states(request.app, names), None
    except Problem as found:
        replies, nobody = [None] * len(names), found
    now, is_clock = whole_now_ms(), view_of(request.query).format == "clock"

    def card(name: str, reply: RoomReply | None) -> Card:
        mine = problem if name == room else None
        values = dict(given or {}) if mine else {}
        return Card(
            room=name,
            reply=reply,
            first_paint=first_paint.of_state(reply.state if reply else None, now, is_clock),
            run=pages.form_id(mine, control == "start", values, "run"),
            change_id=pages.form_id(mine, control == "change", values, "id"),
            problem=mine,
            control=control if mine else "",
            given=values,
        )

    cards = [card(name, reply) for name, reply in zip(names, replies, strict=True)]
    return _page(request, cards, problem or nobody)


def names_of(board: str) -> list[str]:
    """The rooms of the board that a form was sent from; none if it was sent from a room's page."""
    try:
        return subjects.rooms(board) if board else []
    except subjects.RoomsError:
        return []


def address(request: web.Request, names: Sequence[str]) -> URL:
    """The address of the board of these rooms, in the current format.

    It names no card: a browser would not load the page again, only go to the card.
    """
    query = {"names": ",".join(names)}
    query |= {key: request.query[key] for key in ("format", "still") if key in request.query}
    path = request.app.router["board"].url_for()
    return URL(f"{request.app[SETTINGS].base_path}{path}", encoded=True).with_query(query)


def _typed(names: str) -> str:
    """The names as the address has them: people separate them by spaces, too, and shout."""
    return ",".join(dict.fromkeys(filter(None, re.split(r"[\s,;]+", names.lower()))))


def _page(
    request: web.Request, cards: Sequence[Card], problem: Problem | None = None
) -> web.Response:
    names = [card.room for card in cards]
    is_clock = view_of(request.query).format == "clock"
    is_moving = any(card.first_paint.status in _MOVING for card in cards)
    confirmed, here = request.query.get("cancel", ""), address(request, names)
    is_slow = problem is not None or confirmed or not is_moving
    response = aiohttp_jinja2.render_template(
        "board.html",
        request,
        {
            "cards": cards,
            "names": ",".join(names),
            "typed": request.query.get("names", ""),
            "problem": problem,
            "here": here,
            "query": f"?{here.without_query_params('names').query_string}".rstrip("?"),
            "is_clock": is_clock,
            "other_format": _switched(here, "format", "clock"),
            "refresh": _SLOW_SECONDS if is_slow else _FAST_SECONDS,
            "is_still": "still" in here.query,
            "other_still": _switched(here, "still", "1"),
            "confirmed": confirmed,
            "needs_token": bool(request.app[SETTINGS].control_token),
            "data": {
                **pages.connecting(request),
                "rooms": names,
                "replies": [msgspec.to_builtins(card.reply) for card in cards],
            },
            **pages.frame(request, "board.js"),
        },
        status=problem.status if problem else 200,
    )
    if problem is not None:
        response.headers.update(problem.headers)
    response.headers["Cache-Control"] = "no-cache"
    response.enable_compression()
    return response


def _switched(here: URL, name: str, value: str) -> URL:
    """The same address with this in its query, or without it if it is there."""
    return (
        here.without_query_params(name) if name in here.query else here.update_query({name: value})
    )
