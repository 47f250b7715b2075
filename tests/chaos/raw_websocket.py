"""A WebSocket by hand, so that it can stay unread or send any bytes."""

import asyncio
import base64
import os
import socket
import struct

from .stack import Service


async def shake_hands(coordinator: Service, room: str) -> socket.socket:
    """Connect as a viewer; the socket has a small receive buffer."""
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await loop.sock_connect(connection, (coordinator.host, coordinator.port))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET /ws/connect?room={room} HTTP/1.1",
        f"Host: {coordinator.host}:{coordinator.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    ]
    await loop.sock_sendall(connection, ("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += await loop.sock_recv(connection, 1)
    assert b" 101 " in answer, answer
    return connection


async def read_close_code(connection: socket.socket) -> int:
    """Read up to a close frame (RFC 6455, 5.5.1); gives its code, or 0 if there was none."""
    loop = asyncio.get_running_loop()
    data = b""
    code = 0
    while not code and (more := await asyncio.wait_for(loop.sock_recv(connection, 65536), 5.0)):
        data += more
        while (frame := _first_frame(data)) is not None:
            opcode, payload, data = frame
            if opcode == 8:
                code = struct.unpack("!H", payload[:2])[0]
    return code


def _first_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """A server's frame, and what follows it (RFC 6455, 5.2); None if it is incomplete."""
    if len(data) < 10:
        short = len(data) >= 2 and len(data) >= 2 + data[1] and data[1] < 126
        if not short:
            return None
    length, start = data[1], 2
    if length == 126:
        length, start = struct.unpack("!H", data[2:4])[0], 4
    elif length == 127:
        length, start = struct.unpack("!Q", data[2:10])[0], 10
    end = start + length
    if len(data) < end:
        return None
    return data[0] & 0x0F, data[start:end], data[end:]
