"""The auditor on a real server: it follows what happens, and counts what never should."""

import json
from collections.abc import AsyncIterator

import nats
import nats.js.errors
import pytest
from aiohttp.test_utils import TestServer
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from auditor.violations import KINDS
from runtime.clock import whole_now_ms
from support.bus_client import ask
from support.nats_server import NatsServer
from support.served import Serve, metric
from support.viewer import Frame, is_last_tick, viewing
from support.waiting import until

STREAM, EVENTS = "COUNTDOWN", "countdown.main.events"


class Figures:
    """An auditor's metrics since the test began: they are those of the whole process."""

    def __init__(self, server: TestServer) -> None:
        self._server = server
        self._before: dict[str, float] = {}

    async def begin(self) -> "Figures":
        self._before = {name: await metric(self._server, name) for name in COUNTED}
        return self

    async def count(self, name: str) -> float:
        return await metric(self._server, name) - self._before[name]

    async def violations(self) -> dict[str, float]:
        counts = {kind: await self.count(_violations(kind)) for kind in KINDS}
        return {kind: count for kind, count in counts.items() if count}

    async def reaches(self, seq: int) -> None:
        """Wait until everything up to a sequence was read."""

        async def is_there() -> bool:
            position = await metric(self._server, "tminus_audit_position")
            return position >= seq

        await until(is_there)


def _violations(kind: str) -> str:
    return f'tminus_audit_violations_total{{kind="{kind}"}}'


COUNTED = [f"tminus_audit_{name}_total" for name in ("ticks", "runs", "gaps", "resets")]
COUNTED += [*map(_violations, KINDS), 'tminus_dropped_total{kind="events"}']


@pytest.fixture
async def figures(serve_scheduler: Serve, serve_auditor: Serve) -> Figures:
    """Those of an auditor beside a scheduler."""
    await serve_scheduler()
    return await Figures(await serve_auditor()).begin()


async def test_two_schedulers_and_all_that_people_do_break_no_rule(
    serve_scheduler: Serve, serve_coordinator: Serve, figures: Figures, bus: Client
) -> None:
    await serve_scheduler(instance="scheduler-2")

    def is_tick(number: int, frame: Frame) -> bool:
        return bool(frame["type"] == "tick" and frame["remaining"] == number)

    async with viewing(await serve_coordinator(), room="main") as viewer:
        holds = [{"at": 5, "for_ms": 100}]
        assert (await ask(bus, "scheduler.start", interval_ms=100, holds=holds))[0] == 200
        await viewer.until(lambda frame: is_tick(7, frame))
        await bus.publish(EVENTS, b"not an event")
        await bus.publish("countdown.main.message", b"hello")
        assert (await ask(bus, "scheduler.hold"))[0] == 200
        assert (await ask(bus, "scheduler.recycle", to=9))[0] == 200
        assert (await ask(bus, "scheduler.adjust", seconds=1))[0] == 200
        assert (await ask(bus, "scheduler.resume"))[0] == 200
        await viewer.until(lambda frame: is_tick(3, frame))
        await bus.jetstream().purge_stream(STREAM)
        await viewer.until(is_last_tick)
        assert (await ask(bus, "scheduler.start", starts_at=whole_now_ms() + 60_000))[0] == 200
        assert (await ask(bus, "scheduler.cancel"))[0] == 200
        last = viewer.seqs[-1]
    info = await bus.jetstream().stream_info(STREAM)
    await figures.reaches(max(last, info.state.last_seq))
    assert await figures.violations() == {}
    assert await figures.count("tminus_audit_ticks_total") == len(viewer.ticks)
    assert await figures.count("tminus_audit_runs_total") == 2
    assert await figures.count('tminus_dropped_total{kind="events"}') > 0
    assert await figures.count("tminus_audit_gaps_total") == 0


def tick(number: int, **fields: object) -> dict[str, object]:
    """A tick of a run from ten that began so that its seven is due now, or later if so."""
    starts_at = whole_now_ms() // 1000 * 1000 - 20_000
    due = starts_at + (10 - number) * 1000
    return {
        "type": "tick",
        "room": "main",
        "run": "r",
        "from": 10,
        "interval_ms": 1000,
        "starts_at": starts_at,
        "remaining": number,
        "due": due,
        "emitted": due,
        "by": "x",
        **fields,
    }


async def store(bus: Client, *events: dict[str, object]) -> int:
    """Store these, as a scheduler with a fault would; gives the last sequence."""
    starts_at = events[0]["starts_at"]
    for event in events:
        number = event.get("remaining")
        if isinstance(number, int) and isinstance(starts_at, int) and event["type"] == "tick":
            event |= {"starts_at": starts_at, "due": starts_at + (10 - number) * 1000}
        acked = await bus.jetstream().publish(EVENTS, json.dumps(event).encode())
    return acked.seq


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        ([tick(9), tick(8), tick(8, by="y"), tick(7)], {"duplicate": 1}),
        ([tick(9), tick(7), tick(6)], {"out_of_order": 1}),
        ([tick(9), tick(8) | {"type": "cancelled", "remaining": 9}, tick(7)], {"after_end": 1}),
        ([tick(9), tick(8, emitted=5), tick(7)], {"early": 1}),
        ([tick(9), tick(8, interval_ms=2000), tick(7)], {"terms": 3}),
    ],
    ids=lambda it: next(iter(it)) if isinstance(it, dict) else "",
)
async def test_a_scheduler_that_breaks_a_rule_is_counted_and_named_in_the_log(
    serve_auditor: Serve,
    bus: Client,
    capsys: pytest.CaptureFixture[str],
    stored: list[dict[str, object]],
    found: dict[str, float],
) -> None:
    await bus.jetstream().add_stream(name=STREAM, subjects=["countdown.>"])
    figures = await Figures(await serve_auditor()).begin()
    last = await store(bus, *stored)
    await figures.reaches(last)

    async def is_counted() -> bool:
        return await figures.violations() == found

    await until(is_counted)
    assert await figures.count("tminus_audit_ticks_total") == len(stored) - 1 - (
        "after_end" in found
    )
    lines = [line for line in capsys.readouterr().out.splitlines() if "a rule was broken" in line]
    assert len(lines) == sum(found.values())
    [kind] = found
    for words in (kind, "main", "seq"):
        assert words in lines[0]


async def test_what_follows_something_that_was_removed_is_no_violation(
    serve_auditor: Serve, bus: Client
) -> None:
    """What lay between them may have been removed unread; what follows something that is there is
    judged."""
    await bus.jetstream().add_stream(name=STREAM, subjects=["countdown.>"])
    figures = await Figures(await serve_auditor()).begin()
    await figures.reaches(await store(bus, tick(9)))
    await bus.jetstream().purge_stream(STREAM)
    await store(bus, tick(5))

    async def is_a_gap() -> bool:
        return await figures.count("tminus_audit_gaps_total") == 1

    await until(is_a_gap)
    assert await figures.violations() == {}
    await store(bus, tick(2))

    async def is_counted() -> bool:
        return await figures.violations() == {"out_of_order": 1}

    await until(is_counted)
    assert await figures.count("tminus_audit_gaps_total") == 1


async def test_it_begins_anew_with_another_stream(figures: Figures, bus: Client) -> None:
    assert (await ask(bus, "scheduler.start", interval_ms=60_000))[0] == 200
    await bus.jetstream().delete_stream(STREAM)

    async def is_another() -> bool:
        return await figures.count("tminus_audit_resets_total") == 1

    await until(is_another)
    assert (await ask(bus, "scheduler.start", room="other", interval_ms=100))[0] == 200

    async def is_checked() -> bool:
        return await figures.count("tminus_audit_ticks_total") >= 11

    await until(is_checked)
    assert await figures.count("tminus_audit_resets_total") == 1
    assert await figures.violations() == {}


async def test_it_says_up_to_when_everything_was_checked(
    figures: Figures, serve_auditor: Serve, nats_server: NatsServer
) -> None:
    auditor = await serve_auditor(instance="auditor-2")

    async def is_now() -> bool:
        at = await metric(auditor, "tminus_audit_current_timestamp_seconds")
        return whole_now_ms() - at * 1000 < 1000

    await until(is_now)
    nats_server.kill()

    async def is_past() -> bool:
        return not await is_now()

    await until(is_past)


@pytest.fixture
async def reader(deployed_nats_server: NatsServer) -> AsyncIterator[Client]:
    """The user `auditor`, by itself."""
    client = await nats.connect(
        deployed_nats_server.url,
        user="auditor",
        password="auditor",
        inbox_prefix="_INBOX_auditor",
        error_cb=_ignore,
    )
    yield client
    await client.close()


async def _ignore(_: Exception) -> None:
    """What the server refuses shows in what comes of it."""


async def test_its_user_follows_and_may_write_nothing(
    deployed_nats_server: NatsServer,
    serve_scheduler: Serve,
    serve_auditor: Serve,
    operator: Client,
    reader: Client,
) -> None:
    url = deployed_nats_server.url
    await serve_scheduler(nats_url=url)
    auditor = await serve_auditor(nats_url=url)
    figures = await Figures(auditor).begin()
    assert (await ask(operator, "scheduler.start", interval_ms=100, **{"from": 2}))[0] == 200

    async def is_checked() -> bool:
        return await figures.count("tminus_audit_runs_total") == 1

    await until(is_checked)
    assert "Violation" not in deployed_nats_server.log()
    info = await operator.jetstream().stream_info(STREAM)
    for subject in (EVENTS, "countdown.main.message", "scheduler.cancel", "live.main.events"):
        with pytest.raises(nats.errors.TimeoutError):
            await reader.request(subject, b"{}", timeout=0.2)
    for operation in ("STREAM.DELETE", "STREAM.PURGE", "STREAM.UPDATE", "STREAM.MSG.DELETE"):
        with pytest.raises(nats.errors.TimeoutError):
            await reader.request(f"$JS.API.{operation}.{STREAM}", b'{"seq":1}', timeout=0.2)
    assert (await operator.jetstream().stream_info(STREAM)).state == info.state
    config = ConsumerConfig(
        name="mine", deliver_subject=EVENTS, filter_subject=EVENTS, ack_policy=AckPolicy.NONE
    )
    with pytest.raises(nats.js.errors.BadRequestError, match="cycle"):
        await reader.jetstream().add_consumer(STREAM, config)
