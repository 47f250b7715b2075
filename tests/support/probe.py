"""A probe of a process over HTTP, from before its start until after its end."""

import asyncio

from .waiting import until


async def asked(port: int, path: str = "/readyz") -> tuple[int, str]:
    """The answer's status and body; 0 where nobody listens, or no longer.

    By a plain stream: under uvloop the object of an HTTP client's socket sometimes outlives its
    descriptor, and closes whatever has the same number when it is collected.
    """
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return 0, ""
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
    except ConnectionError:
        return 0, ""
    finally:
        writer.close()
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split(" ", 2)[1]) if head else 0, body


async def until_alive(port: int) -> None:
    """Wait until the service at the port answers."""

    async def is_alive() -> bool:
        return (await asked(port, "/healthz"))[0] == 200

    await until(is_alive)
