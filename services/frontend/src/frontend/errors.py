"""Errors as responses: problem details for programs (RFC 9457), a page for people."""

from http import HTTPStatus

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from runtime.logs import logger

from . import pages
from .problem import Problem

log = logger(__name__)


@web.middleware
async def explained(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into responses: JSON under `/api/`, a page elsewhere."""
    is_api = request.path.startswith("/api/")
    try:
        return await handler(request)
    except Problem as problem:
        return as_json(problem) if is_api else pages.explain(request, problem)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        what = Problem(error.status, _detail(error))
        response = as_json(what) if is_api else pages.explain(request, what)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception:
        log.exception(
            "a request failed",
            method=request.method,
            path=request.path,
            room=request.match_info.get("room"),
        )
        what = Problem(500, "Something went wrong here, and the log says what.")
        return as_json(what) if is_api else pages.explain(request, what)


def as_json(problem: Problem) -> web.Response:
    """The problem as JSON; on a conflict with a run, its event's members are included."""
    members: dict[str, object] = {}
    if problem.event is not None:
        members = msgspec.json.decode(problem.event, type=dict[str, object])
        members["event"] = problem.event
    if problem.field is not None:
        members["field"] = problem.field
    members |= {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    return web.Response(
        status=problem.status,
        body=msgspec.json.encode(members),
        content_type="application/problem+json",
        headers=problem.headers,
    )


def _detail(error: web.HTTPException) -> str:
    match error.status:
        case 404:
            return "There is nothing at this address."
        case 405:
            return "This address does not take that method."
        case 413:
            return "That is too big."
        case _:
            return error.reason
