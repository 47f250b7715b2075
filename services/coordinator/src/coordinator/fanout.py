"""Fan-out: a room's viewers of one kind, and how all of them are written to at once.

With a ring, one system call sends the same bytes to all, past their transports. That is right only
while a viewer's transport has an empty buffer, since buffered data has to go first. So a viewer
that took only a part is written to through its transport until the buffer is empty. Without a ring,
and while there are few, all viewers are written to through their transports.
"""

from collections.abc import Callable, Iterator

from .io_uring import CAPACITY, Ring, Slots
from .viewer import Viewer

FEW = 8
"""Up to so many viewers cost less by their transports than by a ring, which takes
longer to prepare."""


class FanOut:
    """The viewers, nearly in the order in which they joined.

    Many viewers that join at once do not delay those already connected: new ones are appended, and
    only the place of one that has left is taken by the last.
    """

    __slots__ = ("_behind", "_ring", "_slots", "_viewers", "_writes")

    def __init__(self, ring: Ring | None) -> None:
        self._viewers: list[Viewer] = []
        self._writes: list[Callable[[bytes], None]] = []
        """Each transport's `write`, bound in advance: checking every viewer and looking up its
        transport would cost a tenth of the sending. A paused viewer's entry is `_send_nothing`."""
        self._ring = ring
        self._slots: Slots | None = None
        """Each viewer's submission, once there have been more than a FEW and if there is a ring."""
        self._behind: set[Viewer] = set()
        """Viewers whose transport has data in its buffer."""

    def __len__(self) -> int:
        return len(self._viewers)

    def __iter__(self) -> Iterator[Viewer]:
        return iter(self._viewers)

    def add(self, viewer: Viewer) -> None:
        """Add a viewer, whose transport is set: it gets what is sent to all from now on."""
        assert viewer.transport is not None
        viewer.group, viewer.place = self, len(self._viewers)
        self._viewers.append(viewer)
        self._writes.append(viewer.transport.write)
        if self._slots is not None:
            self._add_slot(self._slots, viewer)
        elif self._ring is not None and len(self._viewers) > FEW:
            self._slots = Slots(self._ring)
            for each in self._viewers:
                self._add_slot(self._slots, each)

    def _add_slot(self, slots: Slots, viewer: Viewer) -> None:
        assert viewer.transport is not None
        slots.add(viewer.transport.get_extra_info("socket").fileno())
        if self._writes[viewer.place] is _send_nothing:
            slots.skip(viewer.place)
        else:
            self.check_buffer(viewer)

    def remove(self, viewer: Viewer) -> None:
        """Remove a viewer whose connection has ended; its descriptor is closed only after this."""
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
        """Skip the viewer when sending to all."""
        self._writes[viewer.place] = _send_nothing
        self._skip(viewer)
        self._behind.discard(viewer)

    def resume(self, viewer: Viewer) -> None:
        """Include the viewer again when sending to all."""
        assert viewer.transport is not None
        self._writes[viewer.place] = viewer.transport.write
        if self._slots is not None:
            self._slots.resume(viewer.place)
            self.check_buffer(viewer)

    def check_buffer(self, viewer: Viewer) -> None:
        """After a write to the viewer: use its transport for as long as its buffer is not empty."""
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
        """Send through the ring again to viewers whose transport has an empty buffer."""
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
