"""Fan-out: a room's viewers of one kind, and how all of them are written to at once.

With a ring, the same bytes go to all in one system call, straight into their sockets. That is
right only while a viewer's transport holds nothing back: what stands in its buffer goes first. So
whoever took only a part is written to through its transport until that has let go of everything.
Without a ring, everybody is written to through the transport.
"""

from collections.abc import Callable, Iterator

from .io_uring import CAPACITY, Ring, Slots
from .viewer import Viewer


class FanOut:
    """The viewers, nearly in the order in which they came.

    A crowd that joins does not make those wait who were there before; only the place of one who has
    left is taken by the last.
    """

    __slots__ = ("_behind", "_slots", "_viewers", "_writes")

    def __init__(self, ring: Ring | None) -> None:
        self._viewers: list[Viewer] = []
        self._writes: list[Callable[[bytes], None]] = []
        """Each transport's `write`, ready to be called: asking every viewer whether it keeps up,
        and for its transport, would cost a tenth of what the sending costs. A paused viewer's entry
        is `_send_nothing`."""
        self._slots = None if ring is None else Slots(ring)
        """Each viewer's send, where there is a ring."""
        self._behind: set[Viewer] = set()
        """Whose transport holds something back."""

    def __len__(self) -> int:
        return len(self._viewers)

    def __iter__(self) -> Iterator[Viewer]:
        return iter(self._viewers)

    def add(self, viewer: Viewer) -> None:
        """Send a viewer, whose transport is there, what goes to all from now on."""
        assert viewer.transport is not None
        viewer.group, viewer.place = self, len(self._viewers)
        self._viewers.append(viewer)
        self._writes.append(viewer.transport.write)
        if self._slots is not None:
            self._slots.add(viewer.transport.get_extra_info("socket").fileno())
            self.check_buffer(viewer)

    def remove(self, viewer: Viewer) -> None:
        """The viewer's connection has ended; its descriptor is closed only after this."""
        place, last = viewer.place, len(self._viewers) - 1
        self._viewers[place] = self._viewers[last]
        self._viewers[place].place = place
        self._writes[place] = self._writes[last]
        del self._viewers[last], self._writes[last]
        if self._slots is not None:
            self._slots.remove(place)
        self._behind.discard(viewer)
        viewer.group, viewer.place = None, -1

    def pause(self, viewer: Viewer) -> None:
        """Send the viewer nothing that goes to all."""
        self._writes[viewer.place] = _send_nothing
        self._skip(viewer)
        self._behind.discard(viewer)

    def resume(self, viewer: Viewer) -> None:
        """Send the viewer again what goes to all."""
        assert viewer.transport is not None
        self._writes[viewer.place] = viewer.transport.write
        if self._slots is not None:
            self._slots.resume(viewer.place)
            self.check_buffer(viewer)

    def check_buffer(self, viewer: Viewer) -> None:
        """The viewer was written to: use its transport for as long as that holds something back."""
        if self._slots is None:
            return
        assert viewer.transport is not None
        if self._writes[viewer.place] is not _send_nothing and (
            viewer.transport.get_write_buffer_size()
        ):
            self._skip(viewer)
            self._behind.add(viewer)

    def write(self, data: bytes) -> None:
        """Write the same to all."""
        if self._slots is None or len(data) > CAPACITY:
            self._write_through_transports(data)
            return
        if self._behind:
            self._catch_up(self._slots)
        for place, sent in self._slots.send(data):
            self._writes[place](data[sent:])
            self.check_buffer(self._viewers[place])

    def _write_through_transports(self, data: bytes) -> None:
        for write in self._writes:
            write(data)
        if self._slots is not None:
            for viewer in self._viewers:
                self.check_buffer(viewer)

    def _catch_up(self, slots: Slots) -> None:
        """Let those go by the ring again whose transport holds nothing back any more."""
        for viewer in list(self._behind):
            assert viewer.transport is not None
            if not viewer.transport.get_write_buffer_size():
                slots.resume(viewer.place)
                self._behind.discard(viewer)

    def _skip(self, viewer: Viewer) -> None:
        if self._slots is not None:
            self._slots.skip(viewer.place)


def _send_nothing(_data: bytes) -> None:
    """A paused viewer's `write`."""
