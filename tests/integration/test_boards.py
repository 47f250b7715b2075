"""Several rooms in one request: the JSON API, and the board without a script."""

from collections import Counter

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from frontend.rights import Keys, Link
from protocol.subjects import MAX_ROOMS
from runtime.rate_limit import BURST_SECONDS
from support.served import Serve


async def test_the_api_gives_the_states_of_several_rooms_in_the_order_of_their_names(
    page: TestServer,
) -> None:
    async with aiohttp.ClientSession() as session:
        url = page.make_url("/api/rooms/quiz/countdown")
        async with session.post(url, json={"from": 500}) as answer:
            assert answer.status == 201
        for names in (["quiz", "launch"], ["stage-2", "quiz"]):
            url = page.make_url("/api/rooms").update_query(names=",".join(names))
            async with session.get(url) as answer:
                assert answer.status == 200
                rooms = (await answer.json())["rooms"]
            assert [room["room"] for room in rooms] == names
            statuses = {room["room"]: room["state"]["status"] for room in rooms}
            assert statuses == {name: "running" if name == "quiz" else "idle" for name in names}


async def test_names_that_can_not_be_read_are_422_and_say_what_is_wrong(page: TestServer) -> None:
    async with aiohttp.ClientSession() as session:
        for names, words in {
            "": "names: '' is not a room's name.",
            "quiz,Launch": "names: 'Launch' is not a room's name.",
            "quiz,quiz": "names: 'quiz' is named twice.",
            ",".join(f"room-{number}" for number in range(51)): "names: at most 50 rooms.",
        }.items():
            url = page.make_url("/api/rooms").update_query(names=names)
            async with session.get(url) as answer:
                problem = await answer.json(content_type=None)
            assert (problem["status"], problem["detail"]) == (422, words)
            assert problem["field"] == "names"


async def test_several_rooms_cost_as_many_reads(serve_frontend: Serve) -> None:
    """Nobody answers, and it costs all the same."""
    server = await serve_frontend(is_ready=False, max_reads_per_address=1)
    names = ",".join(f"room-{number}" for number in range(BURST_SECONDS // 2))
    async with aiohttp.ClientSession() as session:
        statuses = []
        for path in ("/api/rooms", "/rooms", "/api/rooms"):
            async with session.get(server.make_url(path).update_query(names=names)) as answer:
                statuses.append(answer.status)
                retry = answer.headers["Retry-After"]
    assert statuses == [503, 503, 429]
    assert 1 <= int(retry) <= BURST_SECONDS


async def test_a_form_of_the_board_goes_back_to_it_and_any_other_field_to_the_room(
    page: TestServer,
) -> None:
    async with aiohttp.ClientSession() as session:
        for board, location in {
            "names=quiz,launch&format=clock": "/rooms?names=quiz,launch&format=clock",
            "//elsewhere.example": "/r/quiz?format=clock",
            "names=quiz,/": "/r/quiz?format=clock",
            "": "/r/quiz?format=clock",
        }.items():
            url = page.make_url("/r/quiz/start?format=clock")
            sent = {"from": "500", "board": board, "run": "the-same"}
            async with session.post(url, data=sent, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Location"]) == (303, location)


async def test_what_is_wrong_with_a_form_is_said_in_its_card_and_its_values_are_kept(
    page: TestServer,
) -> None:
    async with aiohttp.ClientSession() as session:
        sent = {"from": "soon", "board": "names=quiz,launch"}
        async with session.post(page.make_url("/r/launch/start"), data=sent) as answer:
            assert answer.status == 422
            html = await answer.text()
    head, quiz, launch = html.split("<li>")
    assert 'name="names" value="quiz,launch"' in head
    assert "from: should be" in launch
    assert 'value="soon"' in launch
    assert "from: should be" not in quiz
    assert 'value="soon"' not in quiz


async def test_without_a_coordinator_the_board_is_there_and_says_so(
    serve_frontend: Serve,
) -> None:
    server = await serve_frontend()
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/rooms?names=quiz,launch")) as answer,
    ):
        html = await answer.text()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert html.count('class="card"') == 2
    assert "no word from the coordinator" in html


async def test_each_link_is_verified_once_however_many_rooms_there_are(
    serve_frontend: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve_frontend(control_token="a token that is long enough to sign")
    read, count = Keys.read, Counter[str]()

    def counted(keys: Keys, token: str, now: float) -> Link:
        count[token] += 1
        return read(keys, token, now)

    monkeypatch.setattr(Keys, "read", counted)
    names = ",".join(f"room-{number}" for number in range(MAX_ROOMS))
    links = "".join(f"&link=a.b.{number}" for number in range(MAX_ROOMS))
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url(f"/rooms?names={names}{links}")) as answer,
    ):
        html = await answer.text()
    assert html.count('class="card"') == MAX_ROOMS
    assert set(count.values()) == {1}
