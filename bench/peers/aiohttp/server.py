"""aiohttp's own `WebSocketResponse`, each frame encoded once, behind a NATS subscription."""

import os
from collections.abc import AsyncIterator

import nats
import uvloop
from aiohttp import ClientConnectionResetError, WSMsgType, web
from nats.aio.msg import Msg

viewers: set[web.WebSocketResponse] = set()


async def welcome(request: web.Request) -> web.WebSocketResponse:
    viewer = web.WebSocketResponse(compress=False)
    await viewer.prepare(request)
    viewers.add(viewer)
    try:
        async for _ in viewer:
            pass
    finally:
        viewers.discard(viewer)
    return viewer


async def tell(message: Msg) -> None:
    for viewer in tuple(viewers):
        try:
            await viewer.send_frame(message.data, WSMsgType.TEXT)
        except ClientConnectionResetError:
            viewers.discard(viewer)


async def bus(_app: web.Application) -> AsyncIterator[None]:
    client = await nats.connect(os.environ["NATS_URL"])
    await client.subscribe(os.environ["SUBJECT"], cb=tell)
    yield
    await client.close()


def main() -> None:
    app = web.Application()
    app.cleanup_ctx.append(bus)
    app.add_routes([web.get("/ws/connect", welcome)])
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        backlog=4096,
        access_log=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main()
