"""One abuser, who uses up whatever has no bound, beside ten rooms of honest people who count."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import aiohttp
from nats.aio.client import Client

from runtime.process import raise_file_limit

from ..countdowns import Fault, Plan, ask_over, disturb, now
from ..scenario import Scenario, Trial
from ..stack import Service, running

ABUSER = "127.0.0.2"
"""Another address than that of the honest viewers."""
AT_ONCE = 16
PATIENCE_SECONDS = 60.0
LATE_LIMIT_MS = 30
SHOWN_LATER_MS = 250
"""How long after it is due each page shows a number: up to there no page shows it late."""
PART_BYTES = 800_000
"""What a flood writes at once."""

Answers = Counter[str]
"""How often each status was answered; with `+` if it said when to come back."""
Terms = Callable[[], dict[str, object]]
"""What the next run is started with."""
Means = Callable[[Trial, Answers], Coroutine[Any, Any, None]]


async def abused(trial: Trial, means: Means, expected: str) -> None:
    """Abuse until the first refusal, and some seconds more; `expected` is its status."""
    answers: Answers = Counter()

    async def abuse() -> Fault:
        at = now()
        async with asyncio.TaskGroup() as group:
            abusing = group.create_task(means(trial, answers))
            deadline = time.monotonic() + PATIENCE_SECONDS
            while expected and not answers[expected] and not abusing.done():
                if time.monotonic() > deadline:
                    break
                await asyncio.sleep(0.05)
            await asyncio.sleep(trial.either(8.0, 1.0))
            abusing.cancel()
        return Fault(at, now())

    plan = Plan(rooms=10, viewers=20, first=trial.either(40, 12), interval_ms=500)
    await disturb(trial, plan, abuse, within=0.05, keeps_sockets=True)
    for answer, count in answers.items():
        trial.outcome.worst(f"answered {answer}", count)
    outcome = trial.outcome
    outcome.worst("a tick late at a viewer, ms", outcome.last_seen_late_ms)
    outcome.require(not expected or answers[expected] > 0, f"never {expected}: {dict(answers)}")


@asynccontextmanager
async def _http() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0, local_addr=(ABUSER, 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def _repeat(answers: Answers, ask: Callable[[int], Awaitable[str]]) -> None:
    """Ask as fast as the answers come, AT_ONCE at a time, for ever."""
    numbers = iter(range(10**9))

    async def one() -> None:
        task = asyncio.current_task()
        for number in numbers:
            answers[await ask(number)] += 1
            # Before Python 3.12 `asyncio.wait_for`, which nats-py uses, may lose a cancellation.
            if task is not None and task.cancelling():
                return

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))


async def _by_http(method: str, path: str, body: object, trial: Trial, answers: Answers) -> None:
    """Requests to the frontend; `%d` in the path is another number each time."""
    frontend = trial.stack.services["frontend-1"]
    async with _http() as http:

        async def ask(number: int) -> str:
            address = frontend.url(path % number if "%" in path else path)
            try:
                async with http.request(method, address, json=body) as answer:
                    return _status(answer)
            except aiohttp.ClientError as error:
                return type(error).__name__

        await _repeat(answers, ask)


def _status(answer: aiohttp.ClientResponse) -> str:
    return f"{answer.status}{'+' if 'Retry-After' in answer.headers else ''}"


async def _runs(
    choose: Callable[[Client], Awaitable[Terms]], trial: Trial, answers: Answers
) -> None:
    """Runs of a day, over the bus."""
    async with trial.stack.client() as client:
        terms = await choose(client)
        mark = f"abuse-{trial.random.randrange(10**6)}"

        async def ask(number: int) -> str:
            reply = await ask_over(client, "scheduler.start", room=f"{mark}-{number}", **terms())
            return str(reply.code)

        try:
            await _repeat(answers, ask)
        finally:
            for number in range(answers["200"] + AT_ONCE):  # for the next round
                request = json.dumps({"room": f"{mark}-{number}"}).encode()
                await client.publish("scheduler.cancel", request)
                if number % 100 == 0:
                    await asyncio.sleep(0.2)


async def _fast(_: Client) -> Terms:
    return lambda: {"from": 86_400, "interval_ms": 100}


async def _tomorrow(_: Client) -> Terms:
    starts_at = int(now()) + 23 * 3_600_000
    return lambda: {"from": 86_400, "interval_ms": 60_000, "starts_at": starts_at}


async def _aligned(client: Client) -> Terms:
    """Due at the same instants as somebody's ticks, from the next but one on."""
    ticks = await client.subscribe("countdown.*.events")
    tick = json.loads((await ticks.next_msg(timeout=5)).data)
    await ticks.unsubscribe()
    due, interval_ms = tick["starts_at"], tick["interval_ms"]

    def terms() -> dict[str, object]:
        starts_at = due + ((int(now()) - due) // interval_ms + 2) * interval_ms
        return {"from": 86_400, "interval_ms": interval_ms, "starts_at": starts_at}

    return terms


async def _flood(subject: str, payload: str, trial: Trial, answers: Answers) -> None:
    """Publish to a subject of the bus as fast as the server reads; nobody answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", trial.stack.bus_port)
    await reader.readline()
    writer.write(b'CONNECT {"verbose":false,"pedantic":false,"no_responders":false}\r\n')
    message = f"PUB {subject} nobody.listens {len(payload)}\r\n{payload}\r\n".encode()
    count = PART_BYTES // len(message)
    part = message * count
    try:
        while True:
            writer.write(part)
            await writer.drain()
            answers["published"] += count
            await asyncio.sleep(0)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _connections(trial: Trial, answers: Answers) -> None:
    """Connections that ask for nothing, at a coordinator and at the frontend."""
    services = [trial.stack.services["coordinator-1"], trial.stack.services["frontend-1"]]
    raise_file_limit()
    writers: list[asyncio.StreamWriter] = []
    reading: set[asyncio.Task[None]] = set()

    async def read(reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        answers[head.split()[1] + ("+" if "Retry-After" in head else "")] += 1

    async def connect(service: Service) -> None:
        reader, writer = await asyncio.open_connection(
            service.host, service.port, local_addr=(ABUSER, 0)
        )
        writers.append(writer)
        reading.add(asyncio.create_task(read(reader)))

    try:
        for _ in range(3100 // 50):
            for service in services:
                await asyncio.gather(*(connect(service) for _ in range(50)))
        await asyncio.Event().wait()
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        for writer in writers:
            writer.close()


async def _viewers(trial: Trial, answers: Answers) -> None:
    """Viewers of as many rooms, all at one coordinator."""
    raise_file_limit()
    address = trial.stack.services["coordinator-1"].url("/sse/connect")
    watching: list[aiohttp.ClientResponse] = []
    async with _http() as http:

        async def ask(number: int) -> str:
            watching.append(answer := await http.get(f"{address}?room=abuse-{number}"))
            if answer.status != 200:
                watching.pop().close()
            return _status(answer)

        try:
            await _repeat(answers, ask)
        finally:
            for answer in watching:
                answer.close()


def _scenario(
    name: str,
    does: str,
    status: str,
    means: Means,
    late_limit_ms: int = LATE_LIMIT_MS,
) -> Scenario:
    refused = f"refused with {status.rstrip('+')}" if status else "what is not read is dropped"
    return Scenario(
        f"abuse-{name}",
        f"one abuser {does}; ten rooms count",
        f"{refused}; no tick of the ten more than {late_limit_ms} ms late",
        partial(abused, means=means, expected=status),
        rounds=1,
        setup=partial(running, frontends=1),
        late_limit_ms=late_limit_ms,
    )


COUNTDOWN = "/api/rooms/abuse/countdown"

SCENARIOS = [
    _scenario(
        "starts",
        "starts over HTTP without a pause",
        "429+",
        partial(_by_http, "POST", COUNTDOWN, {}),
    ),
    _scenario(
        "rooms",
        "writes in one room after another over HTTP",
        "429+",
        partial(_by_http, "POST", "/api/rooms/abuse-%d/messages", {"text": "a"}),
    ),
    _scenario(
        "messages",
        "sends 4 KB messages over HTTP",
        "429+",
        partial(_by_http, "POST", "/api/rooms/abuse/messages", {"text": "y" * 4000}),
    ),
    _scenario(
        "pages",
        "loads pages without a pause",
        "429+",
        partial(_by_http, "GET", "/r/abuse-%d", None),
    ),
    _scenario("runs", "starts runs at 100 ms", "429", partial(_runs, _fast)),
    _scenario("scheduled", "schedules runs for tomorrow", "429", partial(_runs, _tomorrow)),
    _scenario(
        "aligned-runs",
        "starts as many runs as allowed, due at the same instants as somebody's ticks",
        "429",
        partial(_runs, _aligned),
        late_limit_ms=SHOWN_LATER_MS,
    ),
    _scenario(
        "bus-messages",
        "publishes 4 KB messages on the bus",
        "",
        partial(_flood, "countdown.abuse.message", "y" * 4000),
    ),
    _scenario(
        "bus-small-messages",
        "publishes messages of one byte on the bus",
        "",
        partial(_flood, "countdown.abuse.message", "y"),
    ),
    _scenario(
        "bus-starts",
        "publishes starts on the bus",
        "",
        partial(_flood, "scheduler.start", '{"room":"abuse"}'),
    ),
    _scenario(
        "bus-rooms",
        "asks for rooms on the bus",
        "",
        partial(_flood, "coordinator.room", '{"room":"abuse"}'),
    ),
    _scenario(
        "bus-gets",
        "asks on the bus for a room's last message",
        "",
        partial(_flood, "$JS.API.DIRECT.GET.COUNTDOWN.countdown.abuse.message", ""),
    ),
    _scenario("bus-pings", "publishes $SRV.PING on the bus", "", partial(_flood, "$SRV.PING", "")),
    _scenario("connections", "opens connections and asks for nothing", "429+", _connections),
    _scenario("viewers", "opens viewers of as many rooms", "429+", _viewers),
]
