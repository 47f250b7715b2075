"""Errors of the JSON API as `application/problem+json` (RFC 9457)."""

from http import HTTPStatus

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from runtime.logs import logger

from . import pages
from .refusals import Refused

log = logger(__name__)


@web.middleware
async def explained(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell programs why in JSON, and people in a page."""
    is_api = request.path.startswith("/api/")
    try:
        return await handler(request)
    except Refused as refused:
        return problem(refused) if is_api else pages.refusal(request, refused)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        why = Refused(error.status, _detail(error))
        response = problem(why) if is_api else pages.refusal(request, why)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception:
        log.exception("a request failed", method=request.method, path=request.path)
        why = Refused(500, "Something went wrong here, and the log says what.")
        return problem(why) if is_api else pages.refusal(request, why)


def problem(refused: Refused) -> web.Response:
    """The refusal in JSON; where a run is in the way, its event's members stand there too."""
    members: dict[str, object] = {}
    if refused.event is not None:
        members = msgspec.json.decode(refused.event, type=dict[str, object])
        members["event"] = refused.event
    if refused.field is not None:
        members["field"] = refused.field
    members |= {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.detail,
    }
    return web.Response(
        status=refused.status,
        body=msgspec.json.encode(members),
        content_type="application/problem+json",
        headers=refused.headers,
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
