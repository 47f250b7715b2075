"""The reports of the stream's leader: asked for once (`bus.quorum`), for all that wait for one."""

import asyncio

from nats.js.api import StreamInfo


class Reports:
    """Hands each report to everybody who waits for the next one."""

    def __init__(self) -> None:
        self._latest: StreamInfo | None = None
        self._came = asyncio.Event()

    def put(self, report: StreamInfo | None) -> None:
        """The leader has reported, or that there is no stream."""
        self._latest = report
        self._came.set()
        self._came = asyncio.Event()

    async def next(self) -> StreamInfo | None:
        """Wait for the next report, twice a second while there is a quorum; None if there is no
        stream."""
        await self._came.wait()
        return self._latest
