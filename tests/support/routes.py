"""The network between the servers of a cluster: any of them can be cut off, both ways or one way.

Each server reaches each of the others through a relay of this process. A relay that is cut takes
nothing and ends nothing in that direction, as if every packet were dropped, and delivers what was
written meanwhile once it is mended, as TCP does.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from .ports import free_ports

CHUNK_BYTES = 64 * 1024

Way = tuple[str, str]
"""From one server to another."""


class Routes:
    """The ways between servers, by their names, each of which can be cut by itself."""

    def __init__(self, names: Sequence[str]) -> None:
        ways = [(one, other) for one in names for other in names if one != other]
        self.names = names
        self.listening = dict(zip(names, free_ports(len(names)), strict=True))
        """The port at which each server waits for the others."""
        self.relayed = dict(zip(ways, free_ports(len(ways)), strict=True))
        """The port at which a server reaches another."""
        self._is_whole = {way: asyncio.Event() for way in ways}
        for is_whole in self._is_whole.values():
            is_whole.set()

    def cut_from(self, name: str) -> None:
        """Nothing that this server sends arrives any more."""
        self._set(lambda way: way[0] == name, is_whole=False)

    def cut_to(self, name: str) -> None:
        """Nothing that is sent to this server arrives any more."""
        self._set(lambda way: way[1] == name, is_whole=False)

    def mend(self) -> None:
        """Everything arrives again."""
        self._set(lambda way: True, is_whole=True)

    def _set(self, is_meant: Callable[[Way], bool], *, is_whole: bool) -> None:
        for way, event in self._is_whole.items():
            if is_meant(way):
                (event.set if is_whole else event.clear)()

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[None]:
        """Relay, until left."""
        relays: set[asyncio.Task[None]] = set()
        servers = [
            await asyncio.start_server(partial(self._accept, way, relays), "127.0.0.1", port)
            for way, port in self.relayed.items()
        ]
        try:
            yield
        finally:
            for server in servers:
                server.close()
            await asyncio.sleep(0)  # connections that are accepted already have their relay
            for relay in relays:
                relay.cancel()
            await asyncio.gather(*relays, return_exceptions=True)

    async def _accept(
        self,
        way: Way,
        relays: set[asyncio.Task[None]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        relay = asyncio.create_task(self._relay(way, reader, writer))
        relays.add(relay)
        relay.add_done_callback(relays.discard)

    async def _relay(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        dialer, target = way
        try:
            for direction in (way, (target, dialer)):
                await self._is_whole[direction].wait()
            with suppress(OSError):
                answers, onward = await asyncio.open_connection("127.0.0.1", self.listening[target])
                try:
                    await asyncio.gather(
                        self._pass_on((dialer, target), reader, onward),
                        self._pass_on((target, dialer), answers, writer),
                    )
                finally:
                    onward.close()
        finally:
            writer.close()

    async def _pass_on(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass on what comes and its end, but only while the way is whole."""
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._is_whole[way].wait()
                writer.write(data)
                await writer.drain()
        await self._is_whole[way].wait()
        writer.close()
