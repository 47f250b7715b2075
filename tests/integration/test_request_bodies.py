"""A request whose body does not come, or whose client leaves within it."""

import asyncio

import pytest

from support.ports import free_port, free_ports
from support.probe import asked, until_alive
from support.served import Serving
from support.waiting import WAIT_SECONDS, until

SLOW_BODIES = (
    "import frontend.inputs; frontend.inputs.BODY_SECONDS = 0.5; "
    "import frontend.__main__; frontend.__main__.main()"
)
"""A frontend that waits for less long for a body."""
HALF_A_BODY = b"POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n%s\r\n{"
API, FORM = b"api/rooms/main/countdown", b"r/main/start"
FORM_TYPE = b"Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.mark.parametrize("half", [HALF_A_BODY % (API, b""), HALF_A_BODY % (FORM, FORM_TYPE)])
async def test_a_body_that_does_not_come_is_waited_for_no_longer_than_a_request(
    half: bytes, serving: Serving
) -> None:
    port = free_port()
    async with serving("frontend", SLOW_BODIES, port=port):
        await until_alive(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(half)
        answer = await asyncio.wait_for(reader.read(), WAIT_SECONDS)
        assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        writer.close()


async def test_who_leaves_within_a_body_is_no_error(serving: Serving) -> None:
    port, metrics_port = free_ports(2)
    async with serving("frontend", port=port, metrics_port=metrics_port) as process:
        await until_alive(port)
        for number in range(1, 4):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HALF_A_BODY % (API, b""))
            writer.close()
            await writer.wait_closed()

            async def is_counted(number: int = number) -> bool:
                _, figures = await asked(metrics_port, "/metrics")
                return f'tminus_http_refused_total{{status="400"}} {number}.0' in figures

            await until(is_counted)
        assert "a request failed" not in process.log()
