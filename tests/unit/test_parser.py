"""Reading what the NATS server sends: each message once and in order, in pieces of any size; what
comes alone is handled as it comes, and many at once don't keep others waiting."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ProtocolError
from prometheus_client import REGISTRY

from bus.client import Client
from bus.parser import MAX_LINE_BYTES, TURN_MESSAGES
from bus.transport import Transport

Taken = list[tuple[bytes, bytes, bytes, bytes]]
INLINE, QUEUED = 1, 2


class Stream:
    """What a server sends to a client that has one subscription inline and one with a queue."""

    def __init__(self) -> None:
        self.taken: Taken = []
        self.queued: list[bytes] = []
        self.client = Client()
        self.client.subscribe_inline("inline", lambda *message: self.taken.append(message))
        self.client._process_msg = self._on_queued  # type: ignore[method-assign, assignment]
        self._transport = Transport(self.client._ps)
        self._reader = self._transport._io_reader = asyncio.StreamReader()
        self._transport._offer_what_comes()
        self._reading = asyncio.create_task(self._read())

    def feed(self, data: bytes) -> None:
        """This much has come."""
        self._reader.feed_data(data)

    async def end(self) -> None:
        """Nothing more comes; raises what reading raised."""
        self._reader.feed_eof()
        await self._reading

    async def _read(self) -> None:
        while not self._reader.at_eof():
            await self.client._ps.parse(await self._transport.read(1000))

    async def _on_queued(self, _sid: int, *message: bytes) -> None:
        self.queued.append(message[2])


def wire(sid: int, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> bytes:
    """A message as the server sends it."""
    sizes = [b"%d" % len(headers)] * bool(headers) + [b"%d" % len(headers + payload)]
    fields = [b"HMSG" if headers else b"MSG", subject, b"%d" % sid, *[reply] * bool(reply), *sizes]
    return b" ".join(fields) + b"\r\n" + headers + payload + b"\r\n"


names = st.binary(min_size=1, max_size=9).filter(lambda name: not set(name) & set(b" \t\r\n"))
messages = st.tuples(
    st.sampled_from([INLINE, QUEUED]),
    names,
    names | st.just(b""),
    st.binary(max_size=9),
    st.binary(max_size=9) | st.just(b"MSG inline 1 2\r\nno\r\n"),
)


@given(st.lists(messages | st.just(b"+OK\r\n"), max_size=9), st.lists(st.integers(1, 40)))
def test_each_message_is_handled_once_and_in_order_in_pieces_of_any_size(
    sent: list[tuple[int, bytes, bytes, bytes, bytes] | bytes], sizes: list[int]
) -> None:
    data = b"".join(one if isinstance(one, bytes) else wire(*one) for one in sent)

    async def receive() -> Stream:
        stream, rest = Stream(), data
        for size in sizes:
            stream.feed(rest[:size])
            rest = rest[size:]
            if size % 3:
                await asyncio.sleep(0)  # or the next piece comes in the same turn
        stream.feed(rest)
        await stream.end()
        return stream

    stream = asyncio.run(receive())
    inline = [one[1:] for one in sent if not isinstance(one, bytes) and one[0] == INLINE]
    queued = [one[4] for one in sent if not isinstance(one, bytes) and one[0] == QUEUED]
    assert stream.taken == inline
    assert stream.queued == queued


async def test_what_comes_alone_is_handled_as_it_comes() -> None:
    stream = Stream()
    await asyncio.sleep(0)  # the task waits for data
    for _ in range(2):
        stream.feed(wire(INLINE, b"inline", b"", b"", b"text"))
    assert stream.taken == [(b"inline", b"", b"", b"text")] * 2
    await stream.end()


async def test_what_is_behind_something_that_has_to_wait_waits_with_it() -> None:
    stream = Stream()
    await asyncio.sleep(0)
    stream.feed(wire(QUEUED, b"queued", b"", b"", b"1") + wire(INLINE, b"inline", b"", b"", b"2"))
    stream.feed(wire(INLINE, b"inline", b"", b"", b"3"))
    assert (stream.queued, stream.taken) == ([], [])
    await stream.end()
    assert stream.queued == [b"1"]
    assert [message[3] for message in stream.taken] == [b"2", b"3"]


async def test_others_have_their_turns_among_many_messages_in_one_piece() -> None:
    stream, seen = Stream(), []

    async def others() -> None:
        while len(stream.taken) < 4 * TURN_MESSAGES:
            seen.append(len(stream.taken))
            await asyncio.sleep(0)

    await asyncio.sleep(0)
    stream.feed(wire(INLINE, b"inline", b"", b"", b"text") * (4 * TURN_MESSAGES))
    watching = asyncio.create_task(others())
    await stream.end()
    await watching
    assert seen == [2 * TURN_MESSAGES, 3 * TURN_MESSAGES]


async def test_a_message_that_can_t_be_read_is_counted_and_the_next_one_handled() -> None:
    def unreadable() -> float:
        return REGISTRY.get_sample_value("tminus_bus_unreadable_total") or 0

    def broken(*_: bytes) -> None:
        raise ValueError

    stream, before = Stream(), unreadable()
    broken_sid = stream.client.subscribe_inline("broken", broken)._id
    await asyncio.sleep(0)
    stream.feed(
        wire(broken_sid, b"broken", b"", b"", b"") + wire(INLINE, b"inline", b"", b"", b"text")
    )
    assert [message[3] for message in stream.taken] == [b"text"]
    assert unreadable() == before + 1
    await stream.end()


@pytest.mark.parametrize(
    "data",
    [b"HELLO\r\n", b"MSG inline\r\n", b"MSG inline 1 many\r\n", b"x" * (MAX_LINE_BYTES + 1)],
)
async def test_what_no_nats_server_sends_ends_the_reading(data: bytes) -> None:
    stream = Stream()
    await asyncio.sleep(0)
    stream.feed(data)
    with pytest.raises(ProtocolError):
        await stream.end()
