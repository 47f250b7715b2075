"""The board: many rooms on one page, each with its controls. Their names are in its address."""

import re
import time
from collections.abc import Mapping, Sequence

import aiohttp_jinja2
import msgspec
from aiohttp import web
from msgspec import Struct
from multidict import MultiMapping
from yarl import URL

from protocol import subjects
from protocol.frames import RoomReply
from runtime.clock import whole_now_ms

from . import auth, backend, budgets, first_paint, inputs, links, pages
from .first_paint import FirstPaint
from .inputs import Form
from .problem import Problem
from .rights import LinkError, Right
from .settings import SETTINGS
from .view import view_of

_MOVING = ("scheduled", "running", "held", "overtime")
_FAST_SECONDS, _SLOW_SECONDS = 1, 15
"""How soon a page without a script loads itself again: while a run is under way, and otherwise."""


class Board(Struct, frozen=True):
    """What is on a board and how it is shown, as its address says."""

    names: list[str]
    is_clock: bool = False
    """Whether numbers above 59 are shown as minutes and seconds."""
    is_still: bool = False
    """Whether a page without a script does not load itself again, so that people can type."""
    links: str = ""
    """Those that give rights for its rooms, separated by spaces."""


class Card(Struct, frozen=True, kw_only=True):
    """One room on the board: what it shows, and what its forms send."""

    room: str
    reply: RoomReply | None
    first_paint: FirstPaint
    page: URL
    may_control: bool
    link: str
    run: str
    change_id: str
    words: str
    given: Mapping[str, str]


async def show(request: web.Request) -> web.Response:
    """`GET /rooms?names=quiz,launch`; without names, a form that asks for them."""
    given = request.query.get("names", "")
    board = _board(request.query, _typed(given).split(","))
    if given != ",".join(board.names):
        raise web.HTTPSeeOther(location=address(request, board))
    if not given:
        return _page(request, board, [])
    try:
        subjects.rooms(given)
    except subjects.RoomsError as error:
        return _page(request, board, [], Problem(422, f"This board can't be shown: {error}."))
    return await render(request, board)


async def sign_in(request: web.Request) -> web.Response:
    """`POST /rooms/link`: `board`, `token`; answered with 303 to the board, by links to control its
    rooms."""
    form, keys = await inputs.read_form(request), auth.keys(request)
    board = of_form(form)
    if board is None:
        raise Problem(422, "board: is missing.", field="board")
    request[auth.LINK] = board.links
    try:
        auth.require_token(request, form.get("token", ""))
    except Problem as problem:
        return await render(request, board, problem, "sign-in")
    now = time.time()
    request[auth.LINK] = " ".join(links.to_control(keys, name, now) for name in board.names)
    raise web.HTTPSeeOther(location=address(request, board))


async def render(
    request: web.Request,
    board: Board,
    problem: Problem | None = None,
    control: str = "",
    room: str = "",
    given: Mapping[str, str] | None = None,
) -> web.Response:
    """The board; a `problem` is shown beside `control` of `room`, and its form keeps the values
    that were `given`. Controls that the visitor may not use are left out."""
    budgets.charge(request, len(board.names) - 1)
    replies: Sequence[RoomReply | None]
    try:
        replies, nobody = await backend.states(request.app, board.names), None
    except Problem as found:
        replies, nobody = [None] * len(board.names), found
    now = whole_now_ms()

    def card(name: str, reply: RoomReply | None) -> Card:
        access = auth.access(request, name)
        mine = problem if name == room else None
        values = dict(given or {}) if mine else {}
        return Card(
            room=name,
            reply=reply,
            first_paint=first_paint.of_state(reply.state if reply else None, now, board.is_clock),
            page=_page_of(request, board, name, access.link),
            may_control=access.right >= Right.CONTROL,
            link=access.link,
            run=pages.form_id(mine, control == "start", values, "run"),
            change_id=pages.form_id(mine, control == "change", values, "id"),
            words=f"{mine or _refusal(access) or ''}",
            given=values,
        )

    cards = [card(name, reply) for name, reply in zip(board.names, replies, strict=True)]
    return _page(request, board, cards, problem or nobody, control)


def of_form(form: Form) -> Board | None:
    """Take the board that a form was sent from, by its address; None if it was a room's page."""
    query = URL.build(query_string=form.pop("board", "")).query
    try:
        return _board(query, subjects.rooms(query.get("names", "")))
    except subjects.RoomsError:
        return None


def address(request: web.Request, board: Board) -> URL:
    """The address of the board, with the links that the request has.

    It names no card: a browser would not load the page again, only go to the card.
    """
    query = [("names", ",".join(board.names))]
    query += [("format", "clock")] if board.is_clock else []
    query += [("still", "1")] if board.is_still else []
    query += [("link", link) for link in auth.links(request)]
    path = request.app.router["board"].url_for()
    return URL(f"{request.app[SETTINGS].base_path}{path}", encoded=True).with_query(query)


def _board(query: MultiMapping[str], names: list[str]) -> Board:
    is_clock = view_of(query).format == "clock"
    return Board(names, is_clock, "still" in query, " ".join(query.getall("link", [])))


def _refusal(access: auth.Access) -> LinkError | None:
    """Why a link gives no right; that it is for another room of the board is no reason."""
    is_other = access.refusal is not None and access.refusal.reason == "room"
    return None if is_other else access.refusal


def _typed(names: str) -> str:
    """The names as the address has them: people separate them by spaces, too, and shout."""
    return ",".join(dict.fromkeys(filter(None, re.split(r"[\s,;]+", names.lower()))))


def _page_of(request: web.Request, board: Board, room: str, link: str) -> URL:
    """The address of the room's own page."""
    query = {"format": "clock"} if board.is_clock else {}
    query |= {"link": link} if link else {}
    path = request.app.router["room"].url_for(room=room)
    return URL(f"{request.app[SETTINGS].base_path}{path}", encoded=True).with_query(query)


def _page(
    request: web.Request,
    board: Board,
    cards: Sequence[Card],
    problem: Problem | None = None,
    control: str = "",
) -> web.Response:
    here, confirmed = address(request, board), request.query.get("cancel", "")
    is_moving = any(card.first_paint.status in _MOVING for card in cards)
    is_slow = problem is not None or confirmed or not is_moving
    response = aiohttp_jinja2.render_template(
        "board.html",
        request,
        {
            "board": board,
            "cards": cards,
            "names": ",".join(board.names),
            "problem": problem,
            "here": here,
            "other_format": _switched(here, "format", "clock"),
            "other_still": _switched(here, "still", "1"),
            "refresh": _SLOW_SECONDS if is_slow else _FAST_SECONDS,
            "confirmed": confirmed,
            "may_sign_in": not all(card.may_control for card in cards),
            "is_sign_in": control == "sign-in",
            "data": {
                **pages.connecting(request),
                "rooms": board.names,
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
