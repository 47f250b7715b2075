"""A room: its viewers, and what they are sent, to all at once or to a new or lagging one."""

import asyncio
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, ClassVar

from protocol.frames import Hello, Ping, Pong, Screens, encode
from runtime.clock import now_ms, whole_now_ms

from .connections import Connections
from .encodings import Encoding
from .fanout import FanOut
from .history import History
from .outbox import Outbox
from .prepared import PreparedFrame, text_frame
from .reports import Reports
from .room_metrics import note_sent
from .room_traces import RoomTraces
from .viewer import Viewer

if TYPE_CHECKING:
    from bus.tracing import Tracing


class Room:
    """The viewers of one room on this coordinator, and its recent history."""

    places: ClassVar[int] = 1
    __slots__ = (
        "_connections",
        "_flushed_seq",
        "_idle_since",
        "_instance",
        "_reports",
        "epoch",
        "groups",
        "history",
        "is_awaited",
        "name",
        "opened",
        "opened_by",
        "outbox",
        "remote_count",
        "sent_count",
        "traces",
    )

    def __init__(
        self,
        name: str,
        instance: str,
        connections: Connections,
        tracing: "Tracing | None" = None,
    ) -> None:
        self.name = name
        self._instance = instance
        self._connections = connections
        self.epoch = ""
        self.history = History(floor=0)
        self.opened = asyncio.Event()
        """Set once its past has been read; before, its viewers are sent nothing of it."""
        self.is_awaited = 0
        """How many callers wait for that."""
        self.opened_by = ""
        """The address of the viewer for which it was opened."""
        self._idle_since = connections.loop.time()
        self.groups: dict[Encoding, FanOut] = {}
        """The viewers by kind, since frames are encoded once for each kind."""
        self.remote_count = 0
        """Its viewers on other coordinators."""
        self.sent_count = 0
        self.outbox = Outbox(connections.loop, self._write)
        self.traces = None
        """None if there are no traces."""
        if tracing is not None:
            self.traces = RoomTraces(tracing, name)
            self.outbox = Outbox(connections.loop, partial(self._write_traced, self.traces))
        self._reports = Reports(connections.loop.time)
        self._flushed_seq = 0

    def __len__(self) -> int:
        return sum(map(len, self.groups.values()))

    @property
    def count(self) -> int:
        """The room's viewers, other coordinators' included."""
        return len(self) + self.remote_count

    def touch(self) -> None:
        """Somebody has just needed it, and may again in a moment."""
        self._idle_since = self._connections.loop.time()

    def is_idle_since(self, time: float) -> bool:
        """Whether nobody has watched it, or waited for it, since `time` by the loop's clock."""
        return not self.groups and not self.is_awaited and self._idle_since <= time

    # To all viewers

    def publish(self, frame: PreparedFrame, is_first_of_two: bool = False) -> None:
        """Send a frame to all viewers, with the other frames of this turn of the loop."""
        if frame.seq is not None:
            self._reports.on_change(self._flushed_seq, frame.seq)
        if self.groups and self.opened.is_set():
            self.outbox.send(frame, is_first_of_two)
        else:
            self._flushed_seq = self.history.seq

    def _write(self, batch: list[PreparedFrame]) -> None:
        self._flushed_seq = self.history.seq
        if batch:
            for encoding, group in self.groups.items():
                if chosen := encoding.choose(batch):
                    group.write(encoding.encode(chosen))
            if self.groups:
                note_sent(batch)

    def _write_traced(self, traces: RoomTraces, batch: list[PreparedFrame]) -> None:
        with traces.writing(batch, len(self)):
            self._write(batch)

    # To one viewer that joins, leaves or lags

    def join(
        self, viewer: Viewer, transport: asyncio.Transport, epoch: str, after: int | None
    ) -> None:
        """Add a viewer and send it hello and replay, in one turn, so that nothing is missed; one
        that lags already gets them once its buffers have drained."""
        self.outbox.flush()
        viewer.transport = transport
        group = self.groups.get(viewer.encoding)
        if group is None:
            ring = self._connections.ring if viewer.encoding.has_own_socket else None
            group = self.groups[viewer.encoding] = FanOut(ring)
        group.add(viewer)
        seen = after if epoch == self.epoch else None
        if viewer.lagging_since:
            group.pause(viewer)
            viewer.flushed_seq = -1 if seen is None else seen
        elif not self.opened.is_set():
            viewer.flushed_seq = -1  # it is greeted once the past is read
        elif seen is not None:
            self._greet(viewer, *self.history.since(seen))
        else:
            self._greet(viewer, self.history.first(), is_complete=after is None and not epoch)

    def leave(self, viewer: Viewer) -> None:
        """The viewer's connection has ended."""
        self.remove(viewer)
        self._connections.remove(viewer)

    def remove(self, viewer: Viewer) -> None:
        """Send the viewer nothing any more."""
        group = self.groups.get(viewer.encoding)
        if group is not None and viewer.group is group:
            group.remove(viewer)
            if not group:
                del self.groups[viewer.encoding]
        self.touch()

    def on_backpressure(self, viewer: Viewer) -> None:
        """The viewer's buffers are full: it is sent nothing until they have drained."""
        self.pause(viewer)
        self._connections.lagging.add(viewer)

    def pause(self, viewer: Viewer) -> None:
        """Skip the viewer, and remember what it has been sent."""
        if not viewer.lagging_since:
            viewer.lagging_since = self._connections.loop.time()
            viewer.flushed_seq = self._flushed_seq if self.opened.is_set() else -1
            if viewer.group is not None:
                viewer.group.pause(viewer)

    def on_drained(self, viewer: Viewer) -> None:
        """The viewer's buffers have drained: one hello, and what it has missed."""
        self._connections.lagging.discard(viewer)
        self.resume(viewer)

    def resume(self, viewer: Viewer) -> None:
        """Send to the viewer again: one hello, and what it has missed."""
        self.outbox.flush()
        viewer.lagging_since = 0.0
        group = self.groups.get(viewer.encoding)
        if viewer.is_closing or group is None or viewer.group is not group:
            return
        group.resume(viewer)
        if not self.opened.is_set():
            return  # as in `join`
        if viewer.flushed_seq >= 0:
            self._greet(viewer, *self.history.since(viewer.flushed_seq))
        else:
            self._greet(viewer, self.history.first(), is_complete=False)

    def on_ping(self, viewer: Viewer, ping: Ping) -> None:
        """Answer a ping at once, and keep its report."""
        answer(viewer, ping)
        self._reports.note(viewer, ping)
        if self.traces is not None:
            self.traces.on_ping(ping)

    def screens(self) -> Screens:
        """The latest reports of the viewers here."""
        return self._reports.screens(chain.from_iterable(self.groups.values()))

    # When its past is read, for the first time or again

    def reset(self, epoch: str, floor: int) -> None:
        """Forget the history: it is read again, and then `on_read` is called.

        Entries up to the sequence `floor` may be missing from what is read.
        """
        self.opened.clear()
        self.epoch = epoch
        self.outbox.clear()
        self.history = History(floor)
        self._flushed_seq = 0
        self._reports.on_change(0, 0)
        for group in self.groups.values():
            for viewer in group:
                viewer.flushed_seq = -1

    def on_read(self) -> None:
        """The past is read: greet the viewers that are there already with the state."""
        self.opened.set()
        self.history.on_read()
        self.outbox.flush()
        for group in self.groups.values():
            for viewer in group:
                if not viewer.lagging_since and not viewer.is_closing:
                    self._greet(viewer, self.history.first(), is_complete=False)

    def _greet(self, viewer: Viewer, replayed: list[PreparedFrame], is_complete: bool) -> None:
        replayed = viewer.encoding.choose(replayed)
        hello = Hello(
            protocol=viewer.encoding.protocol,
            room=self.name,
            epoch=self.epoch,
            seq=self.history.seq,
            server_time=whole_now_ms(),
            instance=self._instance,
            viewers=self.count,
            replayed=len(replayed),
            complete=is_complete,
            state=self.history.state,
        )
        # An event stream resumes after its last id, so a hello before a replay has none.
        greeting = PreparedFrame.of(hello, self.epoch, has_place=not replayed)
        viewer.write(viewer.encoding.encode([greeting, *replayed]))


def answer(viewer: Viewer, ping: Ping) -> None:
    """Send the pong, unless the viewer's buffers are full."""
    if viewer.transport is not None and not viewer.lagging_since:
        viewer.write(text_frame(encode(Pong(id=ping.id, server_time=now_ms()))))
