"""Payloads that are no event, message, request or ping, sent to every subject and endpoint."""

import asyncio
import json
from functools import partial
from random import Random

import aiohttp

from ..countdowns import Fault, Plan, disturb, new_rooms, now
from ..scenario import Scenario, Trial
from ..stack import Service, Stack, running

COUNTED_SECONDS = 10.0
COMMANDS = ("start", "hold", "resume", "adjust", "recycle", "cancel")
REQUESTS = (*(f"scheduler.{command}" for command in COMMANDS), "coordinator.room")


def junk(random: Random) -> list[bytes]:
    """Invalid payloads; none is longer than the bus accepts."""
    deep = b"[" * 30_000
    return [
        b"\xff\xfe\xfd",
        random.randbytes(random.randrange(1, 2000)),
        deep,
        b'{"room":' + deep,
        b'{"a":' * 5_000,
        b'{"type":"tick","room":false}',
        b'{"type":"tick","room":' + b"9" * 5000 + b"}",
        b'{"type":"started","room":7,"run":[],"from":1e400}',
        b'{"type":"adjusted","room":[],"held_at":-1,"seconds":1e400,"change":{}}',
        b"null",
        b"\x00" * 60_000,
        json.dumps({"room": "../x", "from": "ten", "interval_ms": -1, "id": None}).encode(),
        json.dumps({"room": "main\n", "from": 10**30, "rooms": {"main": 1}}).encode(),
    ]


async def everywhere(trial: Trial) -> None:
    stack = trial.stack
    rooms = new_rooms(trial, 4)
    payloads = junk(trial.random)

    async def send_it_all() -> Fault:
        at = now()
        await _onto_the_stream(trial, rooms[0], payloads)
        await _into_requests(trial, payloads)
        await _into_presence(trial, payloads)
        for service in stack.coordinators:
            await _into_web_sockets(trial, service, rooms[0], payloads)
        for service in stack.services.values():
            await _into_http(trial, service, payloads)
        await _too_big_for_the_bus(stack)
        return Fault(at, now())

    await disturb(trial, Plan(interval_ms=300), send_it_all, within=0.3, rooms=rooms)
    await stack.ready()


async def _onto_the_stream(trial: Trial, room: str, payloads: list[bytes]) -> None:
    """Every service that reads the payloads counts each of them."""
    stack = trial.stack
    followers = {
        service.process.name: (service, 2 if service in stack.coordinators else 1)
        for service in (*stack.schedulers, *stack.coordinators)
    }
    before = {name: await _dropped(stack, one) for name, (one, _) in followers.items()}
    # As messages, only payloads that are too long or not UTF-8 are invalid.
    not_messages = [one for one in payloads if len(one) > 4096 or not _is_text(one)]
    async with stack.client("scheduler") as scheduler, stack.client("frontend") as frontend:
        # Each after the previous one is stored: more at once would be a flood, which is dropped.
        for payload in payloads:
            await scheduler.request(f"countdown.{room}.events", payload, timeout=5.0)
        for payload in not_messages:
            await frontend.request(f"countdown.{room}.message", payload, timeout=5.0)
    for name, (service, subjects) in followers.items():
        owed = len(payloads) + (len(not_messages) if subjects == 2 else 0)
        async with asyncio.timeout(COUNTED_SECONDS):
            while (count := await _dropped(stack, service) - before[name]) < owed:
                await asyncio.sleep(0.05)
        trial.outcome.require(count == owed, f"{name} counted {count:.0f} of {owed}")


def _is_text(payload: bytes) -> bool:
    try:
        return bool(payload.decode().strip())
    except UnicodeDecodeError:
        return False


async def _dropped(stack: Stack, service: Service) -> float:
    return await stack.metric(service, "tminus_dropped_total")


async def _into_requests(trial: Trial, payloads: list[bytes]) -> None:
    async with trial.stack.client() as client:
        for subject in REQUESTS:
            for payload in payloads:
                reply = await client.request(subject, payload, timeout=3.0)
                code = (reply.headers or {}).get("Nats-Service-Error-Code")
                trial.outcome.require(code == "400", f"{subject} answered {payload[:40]!r}: {code}")


async def _into_presence(trial: Trial, payloads: list[bytes]) -> None:
    stack = trial.stack
    counts = [await _dropped(stack, service) for service in stack.coordinators]
    async with stack.client("coordinator") as client:
        for payload in payloads:
            await client.publish("presence.coordinator", payload)
        await client.flush()
    for service, before in zip(stack.coordinators, counts, strict=True):
        async with asyncio.timeout(COUNTED_SECONDS):
            while await _dropped(stack, service) < before + len(payloads):
                await asyncio.sleep(0.05)


async def _into_web_sockets(
    trial: Trial, service: Service, room: str, payloads: list[bytes]
) -> None:
    """Each closes its own connection with a code that says why, and is counted."""
    before = await trial.stack.metric(service, "tminus_viewers_refused_total")
    for payload in [*payloads, b"z" * (1 << 20)]:
        async with trial.stack.http.ws_connect(service.url(f"/ws/connect?room={room}")) as socket:
            text = payload.decode(errors="replace")
            await (socket.send_str(text) if len(payload) % 2 else socket.send_bytes(payload))
            async with asyncio.timeout(5.0):
                while (await socket.receive()).type != aiohttp.WSMsgType.CLOSE:
                    pass
            code = socket.close_code
            trial.outcome.require(code in (1003, 1007, 1009), f"a socket was closed with {code}")
    refused = await trial.stack.metric(service, "tminus_viewers_refused_total") - before
    trial.outcome.require(
        refused == len(payloads) + 1, f"{refused:.0f} of {len(payloads) + 1} frames were counted"
    )


async def _into_http(trial: Trial, service: Service, payloads: list[bytes]) -> None:
    """No endpoint answers with an internal error; refusals are counted."""
    http = trial.stack.http
    before = await trial.stack.metric(service, "tminus_http_refused_total")
    refused = 0
    paths = [
        *("/", "/ws/connect?room=../x", "/ws/connect?room=main&after=x", "/sse/connect?room=%00"),
        *("/r/%2e%2e", "/api/rooms/main/countdown", "/api/rooms/main/messages", "/api/rooms/A%20B"),
        f"/sse/connect?room={'a' * 5000}",
    ]
    for path in paths:
        for method in ("GET", "POST", "DELETE", "PATCH"):
            for payload in [payloads[trial.random.randrange(len(payloads))], b"q" * (1 << 20)]:
                try:
                    limit = aiohttp.ClientTimeout(total=5)
                    async with http.request(
                        method, service.url(path), data=payload, timeout=limit
                    ) as answer:
                        status = answer.status
                except aiohttp.ServerDisconnectedError:
                    continue  # a client that sends a megabyte may be cut off
                refused += status >= 400
                # 503 is right if the room's name is valid but nothing counts there.
                trial.outcome.require(
                    status < 500 or status == 503, f"{method} {path[:40]} gave {status}"
                )
    counted = await trial.stack.metric(service, "tminus_http_refused_total") - before
    trial.outcome.require(counted >= refused > 0, f"{counted:.0f} of {refused} were counted")
    await _into_the_http_parser(trial, service)


async def _into_the_http_parser(trial: Trial, service: Service) -> None:
    """Bytes that are no request are answered with 400 and counted."""
    before = await trial.stack.metric(service, "tminus_http_refused_total")
    for garbage in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01 TLS?\r\n\r\n"):
        reader, writer = await asyncio.open_connection(service.host, service.port)
        writer.write(garbage)
        answer = await asyncio.wait_for(reader.readline(), 5.0)
        trial.outcome.require(b" 400 " in answer, f"{garbage!r} was answered with {answer!r}")
        writer.close()
    counted = await trial.stack.metric(service, "tminus_http_refused_total") - before
    trial.outcome.require(counted == 3, f"{counted:.0f} of 3 invalid requests were counted")


async def _too_big_for_the_bus(stack: Stack) -> None:
    """One MiB is more than the server accepts: it closes that connection, and no other."""
    for subject in ("countdown.main.message", "scheduler.start", "coordinator.room"):
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.bus_port)
        await reader.readline()
        writer.write(b'CONNECT {"verbose":false}\r\n')
        writer.write(f"PUB {subject} {1 << 20}\r\n".encode() + b"m" * (1 << 20) + b"\r\n")
        answer = await asyncio.wait_for(reader.readline(), 5.0)
        assert b"Maximum Payload" in answer, answer
        writer.close()


SCENARIOS = [
    Scenario(
        "garbage",
        "garbage (random bytes, deep JSON, huge numbers, wrong types, 1 MiB) on every subject and "
        "every endpoint",
        "no service ends; every payload is counted",
        everywhere,
        rounds=2,
        setup=partial(running, frontends=1),
        late_limit_ms=100,
    )
]
