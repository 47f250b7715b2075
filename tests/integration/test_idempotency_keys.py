"""Asked again over HTTP, the same answer: a start, cancel or message with an id is done once."""

import pytest
from nats.aio.client import Client

from support.api_client import Api
from support.bus_client import history, messages
from support.nats_server import NatsServer
from support.waiting import until

LONG = {"from": 600}


@pytest.fixture
def nats_server(deployed_nats_server: NatsServer) -> NatsServer:
    """As it is deployed."""
    return deployed_nats_server


async def test_a_start_over_http_may_name_its_run_in_the_body_or_the_header(
    api: Api, operator: Client
) -> None:
    path = "main/countdown"
    status, started = await api("POST", path, {"run": "mine", **LONG})
    assert status == 201
    for body, headers in (
        ({"run": "mine", **LONG}, {}),
        (LONG, {"Idempotency_Key": '"mine"'}),
        ({"run": "mine", **LONG}, {"Idempotency_Key": "mine"}),
    ):
        status, again = await api("POST", path, body, **headers)
        assert (status, again | {"by": ""}) == (201, started | {"by": ""})
    status, problem = await api("POST", path, {"from": 5}, Idempotency_Key="mine")
    assert (status, problem["field"], problem["event"]["run"]) == (422, "run", "mine")
    assert (await api("POST", path, LONG, Idempotency_Key="another"))[0] == 409
    assert [e["type"] for e in await history(operator)].count("started") == 1


@pytest.mark.parametrize("key", ["", '""', "two words", "x" * 37, 'a"b', '"a', "é"])
async def test_a_key_that_is_none_is_422(api: Api, key: str) -> None:
    for path, body in (("main/countdown", LONG), ("main/messages", {"text": "hello"})):
        status, problem = await api("POST", path, body, Idempotency_Key=key)
        assert (status, problem["field"]) == (422, "Idempotency-Key")


async def test_a_key_and_a_field_that_differ_are_422(api: Api) -> None:
    for path, body, field in (
        ("main/countdown", {"run": "a"}, "run"),
        ("main/messages", {"text": "hello", "id": "a"}, "id"),
    ):
        status, problem = await api("POST", path, body, Idempotency_Key="b")
        assert (status, problem["field"]) == (422, field)


async def test_a_cancel_over_http_may_name_its_run(api: Api) -> None:
    path = "main/countdown"
    await api("POST", path, {"run": "a b/?&", **LONG})
    assert (await api("DELETE", f"{path}?run="))[1]["field"] == "run"
    status, problem = await api("DELETE", f"{path}?run=another")
    assert (status, problem["event"]["run"]) == (409, "a b/?&")
    status, cancelled = await api("DELETE", f"{path}?run=a%20b%2F%3F%26")
    assert (status, cancelled["type"]) == (200, "cancelled")
    assert await api("DELETE", f"{path}?run=a%20b%2F%3F%26") == (200, cancelled)
    assert (await api("DELETE", path))[0] == 404


async def test_a_message_is_stored_once_for_each_id_and_room(
    nats_server: NatsServer, api: Api, bus: Client, operator: Client
) -> None:
    for room in ("one", "two"):
        for sent in ({"text": "hello", "id": "x"}, {"text": "hello", "id": "x"}):
            assert await api("POST", f"{room}/messages", sent) == (202, {"stored": True})
    assert (await api("POST", "one/messages", {"text": "hello"}, Idempotency_Key='"x"'))[0] == 202
    status, problem = await api("POST", "one/messages", {"text": "goodbye", "id": "x"})
    assert (status, problem["field"]) == (422, "id")
    await bus.request(
        "countdown.one.message", b'{"text":"hello"}', headers={"Nats-Msg-Id": "one:x"}
    )
    assert await messages(operator) == [("one", "hello"), ("two", "hello")]

    nats_server.kill()
    nats_server.start()

    async def is_stored() -> bool:
        return (await api("POST", "one/messages", {"text": "hello", "id": "x"}))[0] == 202

    await until(is_stored)
    assert await messages(operator) == [("one", "hello"), ("two", "hello")]
    for _ in range(2):  # without an id, each is a message of its own
        assert (await api("POST", "one/messages", {"text": "again"}))[0] == 202
    assert len(await messages(operator)) == 4


async def test_a_message_whose_id_a_stranger_has_used_is_not_told_to_be_stored(
    api: Api, bus: Client
) -> None:
    await bus.request(
        "countdown.other.message", b'{"text":"hello"}', headers={"Nats-Msg-Id": "one:guessed"}
    )
    status, problem = await api("POST", "one/messages", {"text": "hello", "id": "guessed"})
    assert (status, problem["field"]) == (422, "id")
    assert (await api("POST", "one/messages", {"text": "hello", "id": "unguessable"}))[0] == 202


@pytest.mark.parametrize("id", ["", "x" * 37, "two words", "a\r\nNats-Rollup: all", "é", 5])
async def test_an_id_that_is_none_is_422(api: Api, operator: Client, id: object) -> None:
    status, problem = await api("POST", "main/messages", {"text": "hello", "id": id})
    assert (status, problem["field"]) == (422, "id")
    assert await messages(operator) == []


async def test_a_message_that_the_stream_refuses_is_not_told_to_be_stored(
    api: Api, operator: Client
) -> None:
    config = (await operator.jetstream().stream_info("COUNTDOWN")).config
    await operator.jetstream().update_stream(config.evolve(max_msg_size=8))
    assert (await api("POST", "main/messages", {"text": "hello"}))[0] == 503


async def test_ids_of_messages_suppress_no_event(api: Api, bus: Client, operator: Client) -> None:
    for id in ("mine", "main:mine"):
        await bus.request("countdown.main.message", b"hello", headers={"Nats-Msg-Id": id})
    assert (await api("POST", "main/countdown", {"run": "mine", "from": 2, "interval_ms": 100}))[
        0
    ] == 201

    async def is_finished() -> bool:
        return [e.get("remaining") for e in await history(operator)] == [None, 2, 1, 0]

    await until(is_finished)
