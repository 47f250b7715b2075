"""What an abuser does, at one address: each means goes on for ever and counts the answers."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
from nats.aio.client import Client

from runtime.process import raise_file_limit

from .countdowns import ask_over, now
from .scenario import Trial
from .stack import Service

ABUSER = "127.0.0.2"
"""Another address than that of the honest viewers."""
AT_ONCE = 16
PART_BYTES = 800_000
"""What a flood writes at once."""

Answers = Counter[str]
"""How often each status was answered; with `+` if it said when to come back."""
Terms = Callable[[], dict[str, object]]
"""What the next run is started with."""


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


async def by_http(method: str, path: str, body: object, trial: Trial, answers: Answers) -> None:
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


async def runs(
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


async def fast(_: Client) -> Terms:
    return lambda: {"from": 86_400, "interval_ms": 100}


async def tomorrow(_: Client) -> Terms:
    starts_at = int(now()) + 23 * 3_600_000
    return lambda: {"from": 86_400, "interval_ms": 60_000, "starts_at": starts_at}


async def aligned(client: Client) -> Terms:
    """Due at the same instants as somebody's ticks, from the next but one on."""
    ticks = await client.subscribe("countdown.*.events")
    tick = json.loads((await ticks.next_msg(timeout=5)).data)
    await ticks.unsubscribe()
    due, interval_ms = tick["starts_at"], tick["interval_ms"]

    def terms() -> dict[str, object]:
        starts_at = due + ((int(now()) - due) // interval_ms + 2) * interval_ms
        return {"from": 86_400, "interval_ms": interval_ms, "starts_at": starts_at}

    return terms


async def flood(subject: str, payload: str, trial: Trial, answers: Answers) -> None:
    """Publish to a subject of the bus as fast as the server reads; nobody answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", trial.stack.bus_port)
    await reader.readline()
    writer.write(b'CONNECT {"verbose":false,"pedantic":false,"no_responders":false}\r\n')
    message = f"PUB {subject} nobody.listens {len(payload)}\r\n{payload}\r\n".encode()
    count = PART_BYTES // len(message)
    part = message * count
    reading = asyncio.create_task(_discard(reader))
    try:
        while True:
            writer.write(part)
            await writer.drain()
            answers["published"] += count
            await asyncio.sleep(0)
    finally:
        reading.cancel()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _discard(reader: asyncio.StreamReader) -> None:
    """Read the server's errors, or it ends the connection of who does not."""
    while await reader.read(1 << 16):
        pass


async def connections(trial: Trial, answers: Answers) -> None:
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


async def viewers(trial: Trial, answers: Answers) -> None:
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
