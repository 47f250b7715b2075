"""The JSON API's description (OpenAPI 3.1), generated from the types that it reads and writes."""

from collections.abc import Sequence
from functools import cache

import msgspec
from aiohttp import web
from msgspec import Struct

from protocol.events import Adjusted, Cancelled, Held, Known, Recycled, Resumed, RunId, Started
from protocol.frames import RoomReply
from protocol.subjects import MAX_ROOMS, RoomName

from . import inputs
from .api import AdjustBody, ChangeBody, RecycleBody, Rooms, StartBody, Stored, Text, Time
from .links import LinkBody, MadeLink
from .settings import SETTINGS

Json = dict[str, object]

_SCHEMAS = "#/components/schemas/"


class Problem(Struct, kw_only=True):
    """Why a request failed (RFC 9457).

    `field` is the invalid field; `event` is the last event of a conflicting run.
    """

    type: str
    title: str
    status: int
    detail: str
    field: str | msgspec.UnsetType = msgspec.UNSET
    event: Known | msgspec.UnsetType = msgspec.UNSET


async def serve(request: web.Request) -> web.Response:
    """`GET /api/openapi.json`."""
    body = document(request.app[SETTINGS].base_path)
    return web.Response(body=body, content_type="application/json")


@cache
def document(base_path: str = "") -> bytes:
    """The description as JSON, of an API below `base_path`."""
    _, schemas = msgspec.json.schema_components(
        [
            *(RoomReply, Rooms, Started, Held, Resumed, Adjusted, Recycled, Cancelled),
            *(StartBody, ChangeBody, AdjustBody, RecycleBody, Text, Stored, Time, Problem),
            *(LinkBody, MadeLink),
        ],
        ref_template=_SCHEMAS + "{name}",
    )
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "tminus", "version": "1", "description": "One countdown a room."},
            "servers": [{"url": base_path or "/"}],
            "paths": {
                "/api/time": {"get": _operation("The server's time", "Time")},
                "/api/rooms": {
                    "parameters": [_names()],
                    "get": _operation("What several rooms show", "Rooms", refusals=[422]),
                },
                "/api/rooms/{room}": {
                    "parameters": [_room()],
                    "get": _operation("What the room shows", "RoomReply", refusals=[422]),
                },
                "/api/rooms/{room}/countdown": {
                    "parameters": [_room()],
                    "post": _operation(
                        "Start a run; without a body, the default one",
                        "Started",
                        status=201,
                        body="StartBody",
                        is_body_required=False,
                        refusals=[401, 403, 409, 422],
                        parameters=[_key("run")],
                    ),
                    "delete": _operation(
                        "Cancel a run, or else the one under way",
                        "Cancelled",
                        refusals=[401, 403, 404, 409, 422],
                        parameters=[_run()],
                    ),
                },
                "/api/rooms/{room}/countdown/hold": _change(
                    "Hold a run, or else the one under way", "Held", "ChangeBody"
                ),
                "/api/rooms/{room}/countdown/resume": _change(
                    "Let a held run go on; 409 if it is not held", "Resumed", "ChangeBody"
                ),
                "/api/rooms/{room}/countdown/adjust": _change(
                    "Give a run, or else the one under way, more time or less",
                    "Adjusted",
                    "AdjustBody",
                    is_body_required=True,
                ),
                "/api/rooms/{room}/countdown/recycle": _change(
                    "Take a held run back to a number; 409 if it is not held",
                    "Recycled",
                    "RecycleBody",
                    is_body_required=True,
                ),
                "/api/rooms/{room}/messages": {
                    "parameters": [_room()],
                    "post": _operation(
                        "Send a message to everybody in the room",
                        "Stored",
                        status=202,
                        body="Text",
                        refusals=[401, 403, 422],
                        parameters=[_key("id")],
                    ),
                },
                "/api/rooms/{room}/links": {
                    "parameters": [_room()],
                    "post": _operation(
                        "Make a link that carries a right; with the control token only",
                        "MadeLink",
                        status=201,
                        body="LinkBody",
                        refusals=[401, 403, 404, 422],
                    ),
                },
            },
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "token": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "The CONTROL_TOKEN, if one is set, or a link's token.",
                    }
                },
            },
        }
    )


def _room() -> Json:
    schema = msgspec.json.schema(RoomName)
    return {"name": "room", "in": "path", "required": True, "schema": schema}


def _names() -> Json:
    words = "The rooms, separated by commas, each once"
    schema: Json = {"type": "array", "items": msgspec.json.schema(RoomName)}
    schema |= {"minItems": 1, "maxItems": MAX_ROOMS, "uniqueItems": True}
    where: Json = {"name": "names", "in": "query", "required": True, "explode": False}
    return {**where, "description": words, "schema": schema}


def _run() -> Json:
    words = "The run to cancel: if another one is under way, 409"
    schema = msgspec.json.schema(RunId)
    return {"name": "run", "in": "query", "description": words, "schema": schema}


def _key(field: str) -> Json:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "description": f"The same as `{field}` in the body; it may be in double quotes",
        "schema": {"type": "string", "pattern": inputs.KEY_PATTERN},
    }


def _change(summary: str, answer: str, body: str, *, is_body_required: bool = False) -> Json:
    """A path for one change of the run under way."""
    operation = _operation(
        summary,
        answer,
        body=body,
        is_body_required=is_body_required,
        refusals=[401, 403, 404, 409, 422],
        parameters=[_key("id")],
    )
    return {"parameters": [_room()], "post": operation}


def _operation(
    summary: str,
    answer: str,
    *,
    status: int = 200,
    body: str = "",
    is_body_required: bool = True,
    refusals: Sequence[int] = (),
    parameters: Sequence[Json] = (),
) -> Json:
    of_body = (400, 408, 413) if body else ()
    refused = sorted((*refusals, *of_body, 429, 503))
    responses: Json = {str(code): _refusal(code) for code in refused}
    responses[str(status)] = _content(summary, answer)
    operation: Json = {"summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = parameters
    if 401 in refusals:
        operation["security"] = [{}, {"token": []}]
    if body:
        operation["requestBody"] = {"required": is_body_required, **_content("", body)}
    return operation


def _refusal(code: int) -> Json:
    refusal = _content("Problem", "Problem", "application/problem+json")
    if code in (429, 503):
        seconds = {"type": "integer", "minimum": 1}
        described = {"description": "When to try again, in seconds", "schema": seconds}
        refusal["headers"] = {"Retry-After": described}
    return refusal


def _content(description: str, schema: str, media_type: str = "application/json") -> Json:
    content: Json = {media_type: {"schema": {"$ref": _SCHEMAS + schema}}}
    return {"description": description, "content": content}
