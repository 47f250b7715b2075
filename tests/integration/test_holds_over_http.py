"""Planned holds, recycling and days over the JSON API and the page's forms."""

import re
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from nats.aio.client import Client

from runtime.clock import whole_now_ms
from support.api_client import Api, calling, submit
from support.bus_client import ask, history
from support.served import Serve
from support.waiting import until

PATH = "main/countdown"
HELD = {"from": 600, "run": "mine", "holds": [{"at": 600}]}
DAY_MS = 86_400_000


async def kinds(bus: Client) -> list[str]:
    return [event["type"] for event in await history(bus) if event["type"] != "tick"]


async def held(api: Api) -> None:
    """Start a run that a plan holds at its first number, and wait for that."""
    assert (await api("POST", PATH, HELD))[0] == 201

    async def is_held() -> bool:
        return bool((await api("GET", "main"))[1]["state"]["status"] == "held")

    await until(is_held)


async def test_a_run_with_planned_holds_is_held_by_them_and_released(api: Api) -> None:
    holds = [{"at": 2}, {"at": 4, "for_ms": 100}]
    status, started = await api("POST", PATH, {"from": 5, "interval_ms": 100, "holds": holds})
    assert (status, started["holds"]) == (201, [{"at": 4, "for_ms": 100}, {"at": 2}])
    state: dict[str, Any] = {}

    async def is_held_at_2() -> bool:
        state.update((await api("GET", "main"))[1]["state"])
        return bool(state["status"] == "held" and state["remaining"] == 2)

    await until(is_held_at_2)
    assert (state["held_until"], state["change"]) == (None, None)
    # The first hold has moved what follows by its length.
    assert state["starts_at"] == started["starts_at"] + 100
    assert (await api("POST", f"{PATH}/resume"))[0] == 200

    async def is_finished() -> bool:
        return bool((await api("GET", "main"))[1]["state"]["status"] == "finished")

    await until(is_finished)


async def test_a_recycle_that_is_asked_for_again_by_the_body_or_the_header_is_done_once(
    api: Api, bus: Client
) -> None:
    await held(api)
    for body, headers in (
        ({"to": 20, "id": "once"}, {}),
        ({"to": 20}, {"Idempotency_Key": '"once"'}),
        ({"to": 20, "id": "once", "run": "mine"}, {"Idempotency_Key": "once"}),
    ):
        status, event = await api("POST", f"{PATH}/recycle", body, **headers)
        assert (status, event["type"], event["remaining"]) == (200, "recycled", 20)
        assert event["change"] == "recycle:once"
    assert (await kinds(bus)).count("recycled") == 1
    state = (await api("GET", "main"))[1]["state"]
    assert (state["status"], state["remaining"], state["change"]) == ("held", 20, "recycle:once")


async def test_a_recycle_that_can_not_be_done_says_why(api: Api) -> None:
    status, problem = await api("POST", f"{PATH}/recycle", {"to": 20})
    assert (status, "nothing to recycle" in problem["detail"]) == (404, True)
    await api("POST", PATH, {"from": 600, "run": "mine"})
    for run, words in (("mine", "not held"), ("another", "Another countdown")):
        status, problem = await api("POST", f"{PATH}/recycle", {"to": 20, "run": run})
        assert (status, problem["event"]["run"]) == (409, "mine")
        assert words in problem["detail"]


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        (PATH, {"holds": [{"at": 11}]}, "holds", "holds: 11 is above from, 10."),
        (PATH, {"holds": [{"at": 4}, {"at": 4}]}, "holds", "holds: 4 is given twice."),
        (PATH, {"holds": [{"at": 4, "for_ms": 99}]}, "holds", "0.1 s to 7 days"),
        (PATH, {"holds": [{"for_ms": 1000}]}, "holds", "16 numbers of the run at most"),
        (PATH, {"holds": [{"at": at} for at in range(1, 18)], "from": 20}, "holds", "16 numbers"),
        (PATH, {"holds": "60 for 600"}, "holds", "16 numbers"),
        (PATH, {"from": 8_640_001}, "from", "1 to 8,640,000"),
        (PATH, {"warning": 8_640_001}, "warning", "0 to 8,640,000"),
        (f"{PATH}/recycle", {}, "to", "1 to 8,640,000"),
        (f"{PATH}/recycle", {"to": 0}, "to", "1 to 8,640,000"),
        (f"{PATH}/recycle", {"to": "20"}, "to", "1 to 8,640,000"),
        (f"{PATH}/recycle", {"to": 20, "id": ""}, "id", "1 to 36"),
    ],
)
async def test_what_is_not_valid_is_422_with_the_field(
    api: Api, path: str, body: dict[str, Any], field: str, words: str
) -> None:
    status, problem = await api("POST", path, body)
    assert (status, problem["field"]) == (422, field)
    assert words in problem["detail"]
    assert "`" not in problem["detail"]  # a program's words


async def test_a_run_of_a_hundred_days_starts_a_hundred_days_ahead_and_no_later(api: Api) -> None:
    terms = {"from": 8_640_000, "starts_at": whole_now_ms() + 100 * DAY_MS}
    assert (await api("POST", PATH, terms))[0] == 201
    assert (await api("GET", "main"))[1]["state"]["from"] == 8_640_000
    terms["starts_at"] += DAY_MS
    status, problem = await api("POST", "other/countdown", terms)
    assert (status, problem["field"]) == (422, "starts_at")
    assert "100 days ahead" in problem["detail"]


async def test_without_the_token_nobody_recycles_a_run(
    serve_scheduler: Serve, serve_frontend: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await ask(bus, "scheduler.start", **{"from": 600})
    assert (await ask(bus, "scheduler.hold"))[0] == 200
    frontend = await serve_frontend(control_token="secret")
    async with calling(frontend) as api:
        assert (await api("POST", f"{PATH}/recycle", {"to": 20}))[0] == 401
        assert (await submit(frontend, "recycle", {"to": "20", "token": "guess"}))[0] == 401
        assert await kinds(bus) == ["started", "held"]
        headers = {"Authorization": "Bearer secret"}
        assert (await api("POST", f"{PATH}/recycle", {"to": 20}, **headers))[0] == 200


async def test_holds_and_days_are_written_into_the_form_as_people_write_them(
    page: TestServer, bus: Client
) -> None:
    form = {"from": "99d 4:00:00", "holds": "1:30:00 for 10:00, 4", "warning": "1:00"}
    sent = form | {"minutes": "99d", "run": "mine"}
    for _ in range(2):  # the browser's reload
        assert (await submit(page, "start", sent))[0] == 303
    [started] = await history(bus)
    assert (started["from"], started["warning"]) == (8_568_000, 60)
    assert started["holds"] == [{"at": 5400, "for_ms": 600_000}, {"at": 4}]


async def test_a_held_run_is_recycled_by_a_form_once(
    page: TestServer, api: Api, bus: Client
) -> None:
    await held(api)
    for _ in range(2):  # the browser's reload
        form = {"run": "mine", "id": "back-1", "to": "1:00"}
        assert (await submit(page, "recycle", form))[0] == 303
    assert await kinds(bus) == ["started", "recycled"]
    assert (await history(bus))[-1]["remaining"] == 60

    async def is_shown() -> bool:
        async with (
            aiohttp.ClientSession() as session,
            session.get(page.make_url("/r/main")) as answer,
        ):
            return bool(re.search(r'id="number"[^>]*>60<', await answer.text()))

    await until(is_shown)


@pytest.mark.parametrize(
    ("form", "fields", "status", "words"),
    [
        ("start", {"holds": "60 fro 600"}, 422, "holds: “60 fro 600” should be a number"),
        ("start", {"holds": "60 for 600"}, 422, "holds: 60 is above from, 10."),
        ("start", {"from": "99 days"}, 422, "from: should be .* 1:30:00 or 99d"),
        ("start", {"minutes": "101d"}, 422, "minutes: should be .* 100 days"),
        ("recycle", {"to": ""}, 422, "to: should be"),
        ("recycle", {"to": "start"}, 422, "to: should be"),
        ("recycle", {"to": "20"}, 404, "There is nothing to recycle"),
    ],
)
async def test_a_form_that_fails_is_answered_with_the_page_and_the_reason(
    page: TestServer, form: str, fields: dict[str, str], status: int, words: str
) -> None:
    code, html = await submit(page, form, fields)
    assert code == status
    control = "start" if form == "start" else "change"
    assert re.search(rf'id="{control}-words"[^>]*>{words}', html)
