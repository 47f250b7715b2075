"""The JSON API's description (OpenAPI 3.1), generated from the types that it reads and writes."""

from functools import cache

import msgspec
from aiohttp import web
from msgspec import Struct

from protocol.events import Cancelled, Known, Started
from protocol.frames import RoomReply
from protocol.subjects import RoomName

from .api import StartBody, Stored, Text, Time

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


async def serve(_: web.Request) -> web.Response:
    """`GET /api/openapi.json`."""
    return web.Response(body=document(), content_type="application/json")


@cache
def document() -> bytes:
    """The description as JSON."""
    _, schemas = msgspec.json.schema_components(
        [RoomReply, Started, Cancelled, StartBody, Text, Stored, Time, Problem],
        ref_template=_SCHEMAS + "{name}",
    )
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "tminus", "version": "1", "description": "One countdown a room."},
            "paths": {
                "/api/time": {"get": _operation("The server's time", "Time", refusals=[])},
                "/api/rooms/{room}": {
                    "parameters": [_room()],
                    "get": _operation("What the room shows", "RoomReply", refusals=[422, 503]),
                },
                "/api/rooms/{room}/countdown": {
                    "parameters": [_room()],
                    "post": _operation(
                        "Start a run; without a body, the default one",
                        "Started",
                        status=201,
                        body="StartBody",
                        is_body_required=False,
                        refusals=[400, 401, 403, 409, 413, 422, 503],
                    ),
                    "delete": _operation(
                        "Cancel the run under way",
                        "Cancelled",
                        refusals=[401, 403, 404, 422, 503],
                    ),
                },
                "/api/rooms/{room}/messages": {
                    "parameters": [_room()],
                    "post": _operation(
                        "Send a message to everybody in the room",
                        "Stored",
                        status=202,
                        body="Text",
                        refusals=[400, 401, 403, 413, 422, 429, 503],
                    ),
                },
            },
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "token": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "The CONTROL_TOKEN, if one is set.",
                    }
                },
            },
        }
    )


def _room() -> Json:
    schema = msgspec.json.schema(RoomName)
    return {"name": "room", "in": "path", "required": True, "schema": schema}


def _operation(
    summary: str,
    answer: str,
    *,
    status: int = 200,
    body: str = "",
    is_body_required: bool = True,
    refusals: list[int],
) -> Json:
    responses: Json = {str(code): _refusal(code) for code in refusals}
    responses[str(status)] = _content(summary, answer)
    operation: Json = {"summary": summary, "responses": responses}
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
