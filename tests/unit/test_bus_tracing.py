"""The context of a trace in a message's headers, whatever strangers write there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from bus import tracing
from bus.headers import entry_of, server_headers

TRACE, SPAN = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def place(context: SpanContext | None) -> tuple[int, int] | None:
    return None if context is None else (context.trace_id, context.span_id)


def test_what_was_injected_is_extracted_again() -> None:
    headers: dict[str, str] = {}
    context = SpanContext(TRACE, SPAN, is_remote=False, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(context)):
        tracing.inject(headers)
    assert headers == {"traceparent": PARENT}
    found = tracing.extract(headers)
    assert place(found) == (TRACE, SPAN)
    assert found is not None
    assert (found.is_remote, found.trace_flags) == (True, 1)
    assert tracing.traceparent_of(found) == PARENT


@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "TRACEPARENT"])
def test_names_of_headers_are_case_insensitive(name: str) -> None:
    assert place(tracing.extract({name: PARENT})) == (TRACE, SPAN)
    block = f"NATS/1.0\r\n{name}: {PARENT}\r\n\r\n".encode()
    assert place(tracing.extract_block(block)) == (TRACE, SPAN)


def test_nothing_is_injected_outside_of_a_trace() -> None:
    headers: dict[str, str] = {}
    tracing.inject(headers)
    assert headers == {}


@given(st.dictionaries(st.sampled_from(["traceparent", "tracestate", "x"]), st.text()))
def test_headers_of_any_content_are_harmless(headers: dict[str, str]) -> None:
    tracing.extract(headers)


@given(st.binary(), st.binary())
def test_blocks_of_any_bytes_are_harmless(parent: bytes, state: bytes) -> None:
    tracing.extract_block(
        b"NATS/1.0\r\ntraceparent: %b\r\ntracestate: %b\r\n\r\n" % (parent, state)
    )


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "00",
        PARENT[:-1],
        "ff" + PARENT[2:],
        PARENT.upper(),
        PARENT + "-more",
        "00-" + "0" * 32 + PARENT[35:],
        PARENT[:36] + "0" * 16 + "-01",
    ],
)
def test_a_malformed_context_is_none(malformed: str) -> None:
    assert tracing.parse(malformed) is None


def test_the_context_of_a_republished_entry_leaves_its_place_as_it_is() -> None:
    block = (
        b"NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 6\r\n"
        b"traceparent: %b\r\nNats-Stream: COUNTDOWN\r\nNats-Subject: countdown.main.events\r\n"
        b"Nats-Sequence: 7\r\nNats-Last-Sequence: 6\r\n"
        b"Nats-Time-Stamp: 2026-11-29T20:00:00Z\r\n\r\n"
    ) % PARENT.encode()
    entry = entry_of(server_headers(block), b"{}", block)
    assert entry is not None
    assert (entry.seq, entry.subject) == (7, "countdown.main.events")
    assert place(tracing.extract_block(entry.headers)) == (TRACE, SPAN)
