"""python-socketio on uvicorn, each message emitted to all clients, behind a NATS subscription."""

import json
import os

import nats
import socketio
import uvicorn
from nats.aio.msg import Msg

# In a burst a client's ping waits behind all of its messages.
server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], ping_timeout=60)


@server.event
async def connect(sid: str, environ: dict[str, object]) -> None:
    """Every client is welcome, and gets what is emitted without a room."""


async def tell(message: Msg) -> None:
    await server.emit("message", json.loads(message.data))


async def follow() -> None:
    bus = await nats.connect(os.environ["NATS_URL"])
    await bus.subscribe(os.environ["SUBJECT"], cb=tell)


if __name__ == "__main__":
    uvicorn.run(
        socketio.ASGIApp(server, on_startup=follow),
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        backlog=4096,
        ws_per_message_deflate=False,
        log_level="warning",
    )
