"""A stranger's messages with any bytes in every part: subject, reply, headers, payload."""

import asyncio
import time
from collections.abc import Sequence
from random import Random

from ..countdowns import Fault, Plan, disturb, new_rooms, now
from ..outcome import Outcome
from ..raw_bus import SEPARATORS, Publication, stranger
from ..readiness import staying_ready
from ..scenario import Scenario, Trial

AT_ONCE = 20
MESSAGES_A_SECOND = 500
"""No flood: the content is the test, not the number."""
PUNCTUAL_MS = 30
DEAF_MS = 3000
"""A tick that is later than this, stored or seen, was not delayed but missed at first."""
AGAIN_SECONDS = 5.0
"""The time in which restarted services must be ready."""
MAX_PAYLOAD = 65_536
OTHER_ROOM = b"main"
"""The default room: what an empty request is about, too."""
MAX_LINE = 4096
SEEN_LATE = "a tick late at a viewer, ms"

REQUESTS = [
    *(b"scheduler.start", b"scheduler.cancel", b"coordinator.room"),
    *(b"scheduler.hold", b"scheduler.resume", b"scheduler.adjust"),
    b"scheduler.recycle",
    *(b"$SRV.PING", b"$SRV.INFO", b"$SRV.STATS", b"$SRV.PING.scheduler", b"$SRV.INFO.coordinator"),
]
STATUSES = [
    *(b"100", b"408", b"409", b"503", b"404", b"204", b"", b"x", b"100\x00", b"\xb2", b"9" * 5000),
    *("\N{ARABIC-INDIC DIGIT ONE}" * 3).encode().split(),
]
INLINE = [
    *(b" 503", b" 503 No Responders", b" 100 Idle Heartbeat", b" 100 FlowControl Request"),
    *(b" 409 Consumer Deleted", b" 404 No Messages", b" 204 EOB", b" ", b" \xff\xfe\xfd", b" \xb2"),
    *(b" 100 \xff\xfe", b"  503", b" 50", b"\t503"),
]
FORGED = [
    *(b"Nats-Sequence: 7", b"Nats-Sequence: x", b"Nats-Last-Sequence: 0", b"Nats-Num-Pending: 0"),
    *(b"Nats-Subject: countdown.main.events", b"Nats-Stream: OTHER", b"Nats-Time-Stamp: never"),
    *(b"Nats-UpTo-Sequence: 0", b"Nats-Last-Consumer: 99", b"Nats-Last-Consumer: \xff"),
    *(b"Nats-Consumer-Stalled: $JS.FC.COUNTDOWN.x.y", b"Nats-Consumer-Stalled: \xff\xfe"),
    *(b"Nats-Service-Error-Code: 500", b"Nats-Msg-Id: 1", b"Nats-Rollup: all", b"Nats-TTL: 1s"),
    *(b"Nats-Expected-Last-Subject-Sequence: 0", b"Nats-Expected-Stream: OTHER"),
    *(b"Nats-Trace-Dest: countdown.main.events", b"Nats-Schedule: @at never", b"Nats-Batch-Id: 1"),
    *(
        b"Answer-By: \xb2\xb2",
        b"Answer-By: 1",
        b"Answer-By: " + b"9" * 400,
        b"Nats-Marker-Reason: x",
    ),
]


def word(random: Random, longest: int = 40, without: bytes = SEPARATORS) -> bytes:
    """Random bytes of one of several kinds, without separators; perhaps none."""
    low, high = random.choice([(0, 256), (0, 256), (0, 33), (128, 256), (9, 14), (32, 127)])
    data = random.choices(range(low, high), k=random.randrange(longest))
    return bytes(data).translate(None, without)


def subject(random: Random, rooms: Sequence[bytes]) -> bytes:
    """A subject open to people: a request, or a message in one of `rooms` or in an invalid room."""
    if random.random() < 0.4:
        return random.choice(REQUESTS)
    nearly = random.choice(rooms)
    room = random.choice(
        [
            nearly,
            nearly,
            word(random, without=SEPARATORS + b"."),
            word(random, without=SEPARATORS + b"."),
            nearly[:4]
            + random.choice([b"\x0b", b"\x0c", b"\x00", b"\x1c", b"\xff", b"\xc3", b"\x85"]),
            random.choice(
                [b"\x0b", b"\x0c", b"\x00", b"*", b">", b"\xed\xa0\x80", b"7", b".", b"$JS"]
            ),
            # Longer than the line in which the server delivers it.
            random.choice([b"a", b"\xff", b"\x0b", b"\xe2\x80\x8b"]) * random.randrange(1, 1300),
            b"\x0b".join([b"a" * 1900] * 2),
        ]
    )
    return b"countdown.%s.message" % room


def reply(random: Random, rooms: Sequence[bytes]) -> bytes:
    """The subject for the answer."""
    inbox = b"_INBOX.%s" % word(random)
    return random.choice(
        [
            *(b"", b"", word(random), word(random), inbox, inbox),
            word(random, 1000, without=SEPARATORS),
            *(b"$JS.API.STREAM.DELETE.COUNTDOWN", b"$JS.API.CONSUMER.CREATE.COUNTDOWN"),
            *(b"$JS.API.STREAM.MSG.GET.COUNTDOWN", b"$JS.FC.COUNTDOWN.a.b", b"$SRV.PING"),
            b"$JS.ACK.COUNTDOWN.a.1.5.7.1700000000000000000.0",
            *(b"countdown.%s.events" % random.choice(rooms), b"countdown.\xff.events"),
            b"countdown.%s.message" % random.choice(rooms),
            *(b"_INBOX_scheduler.%s" % inbox, b"_INBOX_frontend.a.b", b"_INBOX_frontend.\xff"),
            *(b"\x0b", b"\x0c", b"a\x0b7", b"\x0c7", b"\xff\xfe", b"_INBOX.\xff\x0b\x0c", b"\x00"),
            *(b">", b"*", b"_INBOX.>", b"_INBOX..a", b"_R_.a", b"7", b"presence.coordinator"),
            # Decoding with replacement makes three bytes of each: more than a line may have.
            b"_INBOX." + b"\xff" * random.randrange(1000, 3900),
            b"_INBOX." + b"a" * 3900,
        ]
    )


def headers(random: Random) -> bytes | None:
    """A block of headers, valid or not; None for no block."""
    lines = random.choice(
        [
            [b"Status: %s" % random.choice(STATUSES)],
            [b"Status: %s" % random.choice(STATUSES), b"Description: Idle Heartbeat"],
            [random.choice(FORGED)],
            [random.choice(FORGED), random.choice(FORGED)],
            [b"no colon"],
            [b": no name", b"no value:", b":", b"", b"after nothing: x"],
            [b"a\x00b: c\x00d", b"\x00"],
            [b"\xff\xfe: \xfd", b"a: \xff"],
            [b"folded: a", b" b", b"\tc"],
            [b"a: 1", b"a: 2", b"A: 3", b"a : 4", b"a\x0b: 5"],
            [word(random, 100, without=b"") for _ in range(random.randrange(6))],
        ]
    )
    version = b"NATS/1.0"
    block = version + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    inline = version + random.choice(INLINE)
    much = random.random() < 0.03
    return random.choice(
        [
            None,
            block,
            block,
            block,
            inline + b"\r\n\r\n",
            inline + b"\r\n" + random.choice(FORGED) + b"\r\n\r\n",
            block.replace(
                version, random.choice([b"NATS/2.0", b"nats/1.0", b"HTTP/1.1 200 OK", b""])
            ),
            block.replace(b"\r\n", random.choice([b"\n", b"\r", b"\r\r\n", b"\x00"])),
            block[: random.randrange(len(block))],
            (version + b"\r\n\r\n")[: random.randrange(13)],
            random.choice([b"N", b"\r\n", b"\n", b" ", b"\x00" * 9, b"\xff" * 12, b"\r\n" * 20]),
            random.randbytes(random.randrange(60)),
            version + b"\r\nlong: " + b"l" * (65_000 if much else 4000) + b"\r\n\r\n",
            version + b"\r\n" + b"a: b\r\n" * (9000 if much else 400) + b"\r\n",
        ]
    )


def publication(random: Random, rooms: Sequence[bytes]) -> Publication:
    """One message, no larger than the server accepts."""
    to, back, block = subject(random, rooms), reply(random, rooms), headers(random)
    # A hold or a cancel that is well formed is carried out: of a room in which nothing is checked.
    words = b'{"room":"%s","from":0}' % OTHER_ROOM
    payload = random.choice([b"", b"hello", words, random.randbytes(random.randrange(300))])
    payload = payload[: MAX_PAYLOAD - len(block or b"")]
    if len(to) + len(back) > MAX_LINE - 30:  # with the verb and two sizes
        back = b""
    return Publication(to, back, block, payload)


async def poisoned(trial: Trial) -> None:
    stack, outcome = trial.stack, trial.outcome
    rooms = new_rooms(trial, 4)
    names = [OTHER_ROOM, *(room.encode() for room in rooms)]
    messages = [publication(trial.random, names) for _ in range(trial.either(10_000, 1000))]

    async def poison() -> Fault:
        at = now()
        await _send(trial, messages)
        return Fault(at, now())

    plan = Plan(interval_ms=trial.either(2200, 300))

    async with staying_ready(stack, outcome):
        await disturb(trial, plan, poison, within=0.05, keeps_sockets=True, rooms=rooms)
    _check_times(outcome, "meanwhile")

    replaced = [*stack.coordinators, *stack.schedulers]
    for service in replaced:
        status = await service.process.stop()
        outcome.require(status == 0, f"{service.process.name} ended with status {status}")
    for service in replaced:
        await service.process.start()
    seconds = await stack.ready()
    outcome.worst("ready after a restart, s", seconds)
    if seconds > AGAIN_SECONDS:
        outcome.exceeded.append(
            f"ready {seconds:.1f} s after a restart, the limit is {AGAIN_SECONDS:.0f}"
        )
    async with staying_ready(stack, outcome):
        plan = Plan(interval_ms=200)
        await disturb(trial, plan, _no_fault, keeps_sockets=True, rooms=rooms)
    _check_times(outcome, "after a restart")


async def _no_fault() -> Fault:
    return Fault(now())


async def _send(trial: Trial, messages: Sequence[Publication]) -> None:
    """Send all at a fixed rate, and note how many the server accepted."""
    count = len(messages)
    async with stranger(trial.stack.bus_port) as who:
        begun = time.monotonic()
        for sent in range(0, count, AT_ONCE):
            await asyncio.sleep(begun + sent / MESSAGES_A_SECOND - time.monotonic())
            await who.publish(messages[sent : sent + AT_ONCE])
        trial.outcome.least("messages that the server accepted", who.accepted)
        trial.outcome.worst("messages that it refused", who.refused)
        trial.outcome.require(
            who.accepted > count / 2, f"the server accepted {who.accepted} of {count}"
        )


def _check_times(outcome: Outcome, when: str) -> None:
    """Check the delays in the last countdowns."""
    late = outcome.last_seen_late_ms
    outcome.worst(SEEN_LATE, late)
    if late > PUNCTUAL_MS:
        outcome.exceeded.append(
            f"{when} a tick was seen {late:.0f} ms late, the limit is {PUNCTUAL_MS}"
        )
    outcome.require(late < DEAF_MS, f"{when} a tick was seen {late / 1000:.1f} s late")
    stored = outcome.late_ms or 0.0
    outcome.require(stored < DEAF_MS, f"a tick was stored {stored / 1000:.1f} s late")


SCENARIOS = [
    Scenario(
        "poison",
        "a stranger's 10,000 messages with any bytes as subject, reply, headers and payload, "
        "then coordinators and schedulers are restarted",
        "11 ticks once at viewers of both coordinators, at most 30 ms late; all services ready "
        "meanwhile, and within 5 s of the restart",
        poisoned,
        rounds=1,
        late_limit_ms=PUNCTUAL_MS,
    )
]
