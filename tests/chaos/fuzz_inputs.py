"""What the fuzzing sends: payloads, WebSocket frames, publications, and events of absurd runs."""

import json
import struct

from hypothesis import strategies as st

from .raw_bus import SEPARATORS, Publication

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.sampled_from(["tick", "started", "cancelled", "ping"])
    | st.sampled_from(["held", "resumed", "adjusted", "recycled"])
    | st.sampled_from(["main", "count", "../x", "", "0"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
known = "type room run from interval_ms starts_at by remaining due emitted id seq error_ms text"
changing = "held_at held_until holds to change at seconds after_zero warning danger"
fields = st.sampled_from(f"{known} {changing}".split())
nearly = st.dictionaries(fields, values, max_size=10).map(lambda it: json.dumps(it).encode())
payloads = st.binary(max_size=600) | nearly | values.map(lambda it: json.dumps(it).encode())

EPOCH_MS = st.sampled_from([10**12, 1_795_420_800_000, 1 << 52])
"""In September 2001, when this was written, and in the year 144683."""
NUMBERS = st.sampled_from([None, 0, 1, 10, 86_400, 8_640_000])
HOLDS = st.lists(
    st.fixed_dictionaries(
        {"at": NUMBERS}, optional={"for_ms": st.sampled_from([None, 100, 604_800_000])}
    ),
    max_size=3,
)
absurd = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["started", "held", "resumed", "adjusted", "recycled", "tick", "cancelled"]
        ),
        "run": st.just("absurd"),
        "from": st.sampled_from([1, 10, 86_400, 8_640_000]),
        "interval_ms": st.sampled_from([100, 60_000]),
        "starts_at": EPOCH_MS,
        "by": st.sampled_from(["", "scheduler-1", "nobody"]),
        "remaining": NUMBERS,
        **dict.fromkeys(("at", "due", "emitted"), EPOCH_MS),
        "seconds": st.sampled_from([-8_640_000, 0, 8_640_000]),
    },
    optional={
        **dict.fromkeys(("held_at", "held_until"), EPOCH_MS),
        "holds": HOLDS,
        "change": st.sampled_from(["x", "c" * 36]),
        "after_zero": st.sampled_from(["stop", "count"]),
        **dict.fromkeys(("warning", "danger"), NUMBERS),
    },
)
"""Events that can be read, or nearly, of runs that can't be."""
RESUMED_AT_ZERO: dict[str, object] = {
    "type": "resumed",
    "run": "absurd",
    "from": 10,
    "interval_ms": 100,
    "by": "nobody",
    "starts_at": 1_795_420_800_000,
    "at": 1_795_420_800_000,
    "remaining": 0,
}
COMMANDS = ["hold", "resume", "adjust", "recycle", "start"]


def framed(first: int, is_masked: bool, data: bytes) -> bytes:
    """An unchecked frame (RFC 6455, 5.2); its mask is all zeros."""
    length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack("!H", len(data))
    mask = b"\0\0\0\0" if is_masked else b""
    return bytes([first, length[0] | (0x80 if is_masked else 0)]) + length[1:] + mask + data


frames = st.builds(
    framed,
    st.sampled_from([0x81, 0x01, 0x80, 0x00, 0x82, 0x88, 0x89, 0x8A, 0x08]) | st.integers(0, 255),
    st.booleans() | st.just(True),
    st.binary(max_size=200) | nearly,
)


def unbroken(text: bytes) -> bytes:
    """Without the separators of the bus's protocol."""
    return text.translate(None, SEPARATORS)


# One word for the server; nats-py also splits at vertical tabs and form feeds.
words = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=20).map(lambda it: it.encode(errors="surrogatepass")),
    st.lists(st.sampled_from([b"\x0b", b"\x0c", b"\x00", b"\xff", b"7", b"a", b"."])).map(b"".join),
).map(unbroken)
endpoints = [
    *("scheduler.start", "scheduler.recycle", "scheduler.cancel", "coordinator.room"),
    *("$SRV.PING", "$SRV.STATS"),
]
subjects = st.one_of(
    st.just(b"countdown.main.message"),
    words.map(lambda it: b"countdown.%s.message" % it),
    st.sampled_from([it.encode() for it in endpoints]),
)
replies = st.one_of(
    st.just(b""),
    words,
    words.map(lambda it: b"_INBOX.%s" % it),
    words.map(lambda it: b"countdown.%s.events" % it),
    st.integers(min_value=1000, max_value=3900).map(lambda it: b"_INBOX." + b"\xff" * it),
    st.sampled_from(
        [b"$JS.API.STREAM.DELETE.COUNTDOWN", b"$JS.FC.COUNTDOWN.a.b", b">", b"_INBOX.>"]
    ),
)
names = "Status Description Nats-Msg-Id Nats-Last-Consumer Nats-Consumer-Stalled Nats-Sequence"
headers = st.builds(
    lambda name, value: name + b": " + value,
    st.sampled_from([it.encode() for it in names.split()]) | st.binary(max_size=20),
    st.sampled_from([b"100", b"409", b"503", b""]) | st.binary(max_size=40),
)
versions = st.sampled_from(
    [b"NATS/1.0", b"NATS/1.0 100 Idle Heartbeat", b"NATS/1.0 503", b"HTTP/1.1"]
)
lines = st.lists(headers | st.binary(max_size=40), max_size=6)
blocks = st.one_of(
    st.builds(lambda first, rest: b"\r\n".join([first, *rest, b"", b""]), versions, lines),
    st.binary(max_size=40),
    st.integers(max_value=12, min_value=0).map(lambda it: b"NATS/1.0\r\n\r\n"[:it]),
    st.sampled_from([4000, 65_000]).map(lambda it: b"NATS/1.0\r\na: " + b"b" * it + b"\r\n\r\n"),
)
publications = st.builds(
    Publication, subjects, replies, st.none() | blocks, st.binary(max_size=300)
)
streams = st.lists(frames | st.binary(max_size=80), max_size=6).map(b"".join)
