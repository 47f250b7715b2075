"""A trace's context in the headers of a message, and what NATS makes of such a message."""

import asyncio

import pytest
from nats.aio.client import Client
from nats.js.errors import BadRequestError

from bus.headers import entry_of, server_headers
from bus.tracing import extract, extract_block
from protocol import subjects
from support.served import Serve

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = PARENT.replace("4bf9", "aaaa")
EXPECTED = "Nats-Expected-Last-Subject-Sequence"


async def test_a_context_in_the_headers_changes_neither_expected_sequence_nor_duplicates(
    bus: Client, serve_scheduler: Serve
) -> None:
    await serve_scheduler()
    stream, events = bus.jetstream(), subjects.events("main")
    for seq in (0, 1):
        context = {"traceparent": PARENT, "tracestate": "vendor=1"}
        ack = await stream.publish(events, b"{}", headers={EXPECTED: f"{seq}"} | context)
        assert ack.seq == seq + 1
    with pytest.raises(BadRequestError, match="wrong last sequence: 2"):
        await stream.publish(events, b"{}", headers={EXPECTED: "1", "traceparent": OTHER})
    said = subjects.messages("main")
    for parent in (PARENT, OTHER):
        headers = {"Nats-Msg-Id": "main:1", "traceparent": parent}
        ack = await stream.publish(said, b"hello", headers=headers)
        assert (ack.seq, bool(ack.duplicate)) == (3, parent == OTHER)


async def test_a_context_is_stored_and_republished_as_it_was_sent(
    bus: Client, serve_scheduler: Serve
) -> None:
    await serve_scheduler()
    republished: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def take(message: object) -> None:
        republished.set_result(message.headers)  # type: ignore[attr-defined]

    await bus.subscribe(subjects.live_events("main"), cb=take)
    await bus.flush()
    context = {"traceparent": PARENT, "tracestate": "vendor=1"}
    stream = bus.jetstream()
    await stream.publish(subjects.events("main"), b"{}", headers=context | {EXPECTED: "0"})
    headers = await asyncio.wait_for(republished, 5)
    stored = (await stream.get_msg(subjects.STREAM, 1)).headers or {}
    direct = (await stream.get_msg(subjects.STREAM, 1, direct=True)).headers or {}
    for found in (headers, stored, direct):
        assert context.items() <= found.items()
        extracted = extract(found)
        assert extracted is not None
        assert extracted.trace_state["vendor"] == "1"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    block = f"NATS/1.0\r\n{lines}\r\n".encode()
    entry = entry_of(server_headers(block), b"{}", block)
    assert entry is not None
    assert (entry.seq, entry.subject) == (1, subjects.events("main"))
    assert extract_block(entry.headers) == extracted
