"""Pages of other origins: they may call and read where ALLOWED_ORIGINS names them, else not."""

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy

from support.served import Serve

ALLOWED, OTHER = "https://stage.example", "https://evil.example"
READABLE = "Access-Control-Allow-Origin"

Answer = tuple[int, CIMultiDictProxy[str]]


async def ask(server: TestServer, method: str, path: str, **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, server.make_url(path), headers=names) as response,
    ):
        return response.status, response.headers.copy()  # type: ignore[return-value]


async def preflight(server: TestServer, path: str, origin: str, method: str) -> Answer:
    return await ask(
        server,
        "OPTIONS",
        path,
        Origin=origin,
        Access_Control_Request_Method=method,
        Access_Control_Request_Headers="content-type,authorization",
    )


@pytest.fixture
async def coordinator(serve_coordinator: Serve) -> TestServer:
    return await serve_coordinator(app_env="production", allowed_origins=ALLOWED)


@pytest.fixture
async def frontend(serve_frontend: Serve) -> TestServer:
    return await serve_frontend(app_env="production", allowed_origins=ALLOWED)


API = [
    ("/api/rooms/main", "GET"),
    ("/api/rooms/main/countdown", "POST"),
    ("/api/rooms/main/countdown", "DELETE"),
    ("/api/rooms/main/countdown/hold", "POST"),
    ("/api/rooms/main/messages", "POST"),
    ("/api/openapi.json", "GET"),
]


@pytest.mark.parametrize(("path", "method"), API)
async def test_an_allowed_page_may_call_the_api(
    frontend: TestServer, path: str, method: str
) -> None:
    status, headers = await preflight(frontend, path, ALLOWED, method)
    assert status == 204
    assert headers[READABLE] == ALLOWED
    assert headers["Vary"] == "Origin"
    assert method in headers["Access-Control-Allow-Methods"].split(", ")
    asked = headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"content-type", "authorization"} <= set(asked)
    assert int(headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize(("path", "method"), API)
async def test_a_page_that_is_not_allowed_may_not(
    frontend: TestServer, path: str, method: str
) -> None:
    status, headers = await preflight(frontend, path, OTHER, method)
    assert status == 403
    assert READABLE not in headers
    assert headers["Vary"] == "Origin"


async def test_an_allowed_page_reads_answers_and_errors_of_the_api(frontend: TestServer) -> None:
    # Without a scheduler or a coordinator it is an error that says when to try again.
    for method, path in (("GET", "/api/rooms/main"), ("POST", "/api/rooms/main/countdown")):
        status, headers = await ask(frontend, method, path, Origin=ALLOWED)
        assert status == 503
        assert headers[READABLE] == ALLOWED
        assert headers["Access-Control-Expose-Headers"] == "Retry-After"
    status, headers = await ask(frontend, "GET", "/api/openapi.json", Origin=ALLOWED)
    assert (status, headers[READABLE]) == (200, ALLOWED)


@pytest.mark.parametrize("origin", [{}, {"Origin": OTHER}])
async def test_what_others_get_is_not_readable_and_no_cache_mixes_it_up(
    frontend: TestServer, origin: dict[str, str]
) -> None:
    status, headers = await ask(frontend, "GET", "/api/openapi.json", **origin)
    assert status == 200
    assert READABLE not in headers
    assert headers["Vary"] == "Origin"


async def test_only_the_api_is_readable(frontend: TestServer) -> None:
    for path in ("/", "/healthz", "/metrics"):
        _, headers = await ask(frontend, "GET", path, Origin=ALLOWED)
        assert READABLE not in headers


async def test_an_allowed_page_may_resume_an_event_stream(coordinator: TestServer) -> None:
    status, headers = await preflight(coordinator, "/sse/connect", ALLOWED, "GET")
    assert status == 204
    assert headers[READABLE] == ALLOWED
    assert "last-event-id" in headers["Access-Control-Allow-Headers"].lower().split(", ")
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            coordinator.make_url("/sse/connect"),
            headers={"Origin": ALLOWED, "Last-Event-ID": "a:1"},
        ) as stream,
    ):
        assert stream.status == 200
        assert stream.headers[READABLE] == ALLOWED
        assert stream.headers["Vary"] == "Origin"


async def test_a_refused_event_stream_can_be_read_by_an_allowed_page_only(
    coordinator: TestServer,
) -> None:
    path = "/sse/connect?room=NOT"
    status, headers = await ask(coordinator, "GET", path, Origin=ALLOWED)
    assert (status, headers[READABLE]) == (400, ALLOWED)
    status, headers = await ask(coordinator, "GET", "/sse/connect", Origin=OTHER)
    assert status == 403
    assert READABLE not in headers
    assert (await preflight(coordinator, "/sse/connect", OTHER, "GET"))[0] == 403
