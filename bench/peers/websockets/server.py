"""`websockets.broadcast` behind a NATS subscription."""

import os

import nats
import uvloop
from nats.aio.msg import Msg
from websockets.asyncio.server import ServerConnection, broadcast, serve

viewers: set[ServerConnection] = set()


async def welcome(viewer: ServerConnection) -> None:
    viewers.add(viewer)
    try:
        await viewer.wait_closed()
    finally:
        viewers.discard(viewer)


async def tell(message: Msg) -> None:
    broadcast(viewers, message.data.decode())


async def main() -> None:
    bus = await nats.connect(os.environ["NATS_URL"])
    await bus.subscribe(os.environ["SUBJECT"], cb=tell)
    async with serve(
        welcome, "127.0.0.1", int(os.environ["PORT"]), compression=None, backlog=4096
    ) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
