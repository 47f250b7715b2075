"""Hold, resume and adjust over the JSON API and the page's forms."""

import re
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from nats.aio.client import Client

from support.api_client import Api, calling, submit
from support.bus_client import ask, history
from support.served import Serve
from support.waiting import until

LONG = {"from": 600}
PATH = "main/countdown"
CHANGES: list[tuple[str, str, dict[str, int]]] = [
    ("hold", "held", {}),
    ("resume", "resumed", {}),
    ("adjust", "adjusted", {"seconds": 60}),
]


async def kinds(bus: Client) -> list[str]:
    return [event["type"] for event in await history(bus) if event["type"] != "tick"]


async def test_a_run_is_held_resumed_and_adjusted_and_the_room_shows_it(
    api: Api, bus: Client
) -> None:
    _, started = await api("POST", PATH, LONG)
    for doing, kind, fields in CHANGES:
        status, event = await api("POST", f"{PATH}/{doing}", fields or None)
        assert (status, event["type"], event["run"]) == (200, kind, started["run"])
        _, reply = await api("GET", "main")
        assert reply["state"]["change"] == event["change"]
        assert reply["state"]["status"] in (
            ["held"] if doing == "hold" else ["scheduled", "running"]
        )
    assert await kinds(bus) == ["started", "held", "resumed", "adjusted"]


@pytest.mark.parametrize(("doing", "kind", "fields"), CHANGES)
async def test_a_change_that_is_asked_for_again_by_the_body_or_the_header_is_done_once(
    api: Api, bus: Client, doing: str, kind: str, fields: dict[str, int]
) -> None:
    await api("POST", PATH, LONG)
    if doing == "resume":
        await api("POST", f"{PATH}/hold")
    terms = set()
    for body, headers in (
        ({"id": "once", **fields}, {}),
        (fields, {"Idempotency_Key": '"once"'}),
        ({"id": "once", **fields}, {"Idempotency_Key": "once"}),
    ):
        status, event = await api("POST", f"{PATH}/{doing}", body, **headers)
        assert (status, event["type"], event["change"]) == (200, kind, f"{doing}:once")
        terms.add((event["from"], event["starts_at"]))
    assert len(terms) == 1
    assert (await kinds(bus)).count(kind) == 1
    status, problem = await api(
        "POST", f"{PATH}/{doing}", {"id": "a", **fields}, Idempotency_Key="b"
    )
    assert (status, problem["field"]) == (422, "id")


async def test_every_adjustment_without_an_id_is_another_one(api: Api) -> None:
    await api("POST", PATH, LONG)
    for from_ in (660, 720):
        _, adjusted = await api("POST", f"{PATH}/adjust", {"seconds": 60})
        assert adjusted["from"] == from_


async def test_what_can_not_be_done_says_why(api: Api) -> None:
    for doing, _, fields in CHANGES:
        status, problem = await api("POST", f"{PATH}/{doing}", fields)
        assert status == 404
        assert f"nothing to {doing}" in problem["detail"]
    await api("POST", PATH, {"run": "mine", **LONG})
    for doing, _, fields in CHANGES:
        status, problem = await api("POST", f"{PATH}/{doing}", {"run": "another", **fields})
        assert (status, problem["event"]["run"]) == (409, "mine")
        assert "Another countdown" in problem["detail"]
    for body in ({}, {"run": "mine"}):
        status, problem = await api("POST", f"{PATH}/resume", body)
        assert (status, problem["event"]["run"]) == (409, "mine")
        assert "not held" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (f"{PATH}/hold", {"run": 5}, "run"),
        (f"{PATH}/resume", {"id": ""}, "id"),
        (f"{PATH}/adjust", {}, "seconds"),
        (f"{PATH}/adjust", {"seconds": "60"}, "seconds"),
        (f"{PATH}/adjust", {"seconds": True}, "seconds"),
        (f"{PATH}/adjust", {"seconds": 8_640_001}, "seconds"),
        (f"{PATH}/adjust", {"seconds": 8_640_000}, "seconds"),  # more than a run may have
        ("NOT/countdown/hold", {}, "room"),
        (PATH, {"after_zero": "explode"}, "after_zero"),
        (PATH, {"warning": -1}, "warning"),
        (PATH, {"danger": "5"}, "danger"),
    ],
)
async def test_what_is_not_valid_is_422_with_the_field(
    api: Api, path: str, body: dict[str, Any], field: str
) -> None:
    await api("POST", PATH, LONG)
    status, problem = await api("POST", path, body)
    assert (status, problem["field"]) == (422, field)
    assert "`" not in problem["detail"]  # a program's words


async def test_a_body_that_is_not_json_is_400(page: TestServer) -> None:
    async with aiohttp.ClientSession() as session:
        for doing, _, _ in CHANGES:
            url = page.make_url(f"/api/rooms/{PATH}/{doing}")
            async with session.post(url, data=b"{") as answer:
                assert answer.status == 400


async def test_without_the_token_nobody_changes_a_run(
    serve_scheduler: Serve, serve_frontend: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await ask(bus, "scheduler.start", **LONG)
    frontend = await serve_frontend(control_token="secret")
    async with calling(frontend) as api:
        for doing, kind, fields in CHANGES:
            assert (await api("POST", f"{PATH}/{doing}", fields))[0] == 401
            sent = {name: str(value) for name, value in fields.items()}
            assert (await submit(frontend, doing, sent | {"link": "guess"}))[0] == 401
            assert kind not in await kinds(bus)
            headers = {"Authorization": "Bearer secret"}
            assert (await api("POST", f"{PATH}/{doing}", fields, **headers))[0] == 200


async def test_a_run_that_counts_on_after_zero_is_ended_over_http(api: Api) -> None:
    terms = {"from": 1, "interval_ms": 100, "after_zero": "count", "warning": 1, "danger": 0}
    status, started = await api("POST", PATH, terms)
    assert status == 201
    assert {name: started[name] for name in terms} == terms

    async def is_finished() -> bool:
        return bool((await api("GET", "main"))[1]["state"]["status"] == "finished")

    await until(is_finished)
    status, cancelled = await api("DELETE", PATH)
    assert (status, cancelled["remaining"]) == (200, 0)
    assert (await api("GET", "main"))[1]["state"]["status"] == "cancelled"


async def test_a_run_is_held_resumed_and_adjusted_by_forms_each_once(
    page: TestServer, bus: Client
) -> None:
    start = {"from": "600", "after_zero": "count", "warning": "60", "danger": "", "run": "mine"}
    assert (await submit(page, "start", start))[0] == 303
    [started] = [event for event in await history(bus) if event["type"] == "started"]
    assert (started["after_zero"], started["warning"]) == ("count", 60)
    assert "danger" not in started
    for doing, _, _ in CHANGES:
        form = {"run": "mine", "id": f"{doing}-1"}
        for _ in range(2):  # the browser's reload
            sent = form | {"seconds": "60"} if doing == "adjust" else form
            assert (await submit(page, doing, sent))[0] == 303
    assert await kinds(bus) == ["started", "held", "resumed", "adjusted"]
    assert (await history(bus))[-1]["from"] == 660


@pytest.mark.parametrize(
    ("form", "fields", "status", "words"),
    [
        ("resume", {"run": "mine"}, 409, "The countdown is not held."),
        ("hold", {"run": "another"}, 409, "Another countdown is under way in this room."),
        ("hold", {"id": "x" * 37}, 422, "id: should be"),
        ("adjust", {"seconds": "", "id": "a"}, 422, "seconds: should be whole seconds"),
        ("adjust", {"seconds": "a minute"}, 422, "seconds: should be whole seconds"),
    ],
)
async def test_a_form_that_fails_is_answered_with_the_page_and_the_reason(
    page: TestServer, bus: Client, form: str, fields: dict[str, str], status: int, words: str
) -> None:
    await ask(bus, "scheduler.start", run="mine", **LONG)
    code, html = await submit(page, form, fields)
    assert code == status
    assert re.search(rf'id="change-words"[^>]*>{words}', html)
    assert await kinds(bus) == ["started"]


async def test_a_form_without_a_run_to_change_is_answered_with_the_page(page: TestServer) -> None:
    for doing, _, _ in CHANGES:
        code, html = await submit(page, doing, {"run": "", "id": "", "seconds": "5"})
        assert code == 404
        assert f"nothing to {doing}" in html
