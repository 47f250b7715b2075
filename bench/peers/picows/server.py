"""picows' core API, each message sent to each viewer as its example shows, behind NATS."""

import os

import nats
import uvloop
from nats.aio.msg import Msg
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

viewers: set[WSTransport] = set()


class Viewer(WSListener):
    def on_ws_connected(self, transport: WSTransport) -> None:
        viewers.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        viewers.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()


async def tell(message: Msg) -> None:
    for viewer in viewers:
        viewer.send(WSMsgType.TEXT, message.data)


async def main() -> None:
    bus = await nats.connect(os.environ["NATS_URL"])
    await bus.subscribe(os.environ["SUBJECT"], cb=tell)
    server = await ws_create_server(
        lambda _request: Viewer(), "127.0.0.1", int(os.environ["PORT"]), backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
