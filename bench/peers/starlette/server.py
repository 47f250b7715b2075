"""Starlette on uvicorn with its standard extras, behind a NATS subscription."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import uvicorn
from nats.aio.msg import Msg
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

viewers: set[WebSocket] = set()


async def welcome(viewer: WebSocket) -> None:
    await viewer.accept()
    viewers.add(viewer)
    try:
        async for _ in viewer.iter_text():
            pass
    finally:
        viewers.discard(viewer)


async def tell(message: Msg) -> None:
    text = message.data.decode()
    for viewer in tuple(viewers):
        try:
            await viewer.send_text(text)
        except WebSocketDisconnect:
            viewers.discard(viewer)


@asynccontextmanager
async def bus(_app: Starlette) -> AsyncIterator[None]:
    client = await nats.connect(os.environ["NATS_URL"])
    await client.subscribe(os.environ["SUBJECT"], cb=tell)
    yield
    await client.close()


app = Starlette(routes=[WebSocketRoute("/ws/connect", welcome)], lifespan=bus)

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        backlog=4096,
        ws_per_message_deflate=False,
        log_level="warning",
    )
