"""A viewer over Server-Sent Events."""

from . import prepared
from .viewer import Viewer


class EventStreamViewer(Viewer):
    """A viewer over Server-Sent Events: it sends nothing after its request."""

    __slots__ = ()

    heartbeat = prepared.COMMENT_CHUNK

    def send_heartbeat(self) -> None:
        """Send a comment, which nobody answers: TCP has to acknowledge it."""
        self.silent_looks = 0
        super().send_heartbeat()

    def close(self, _code: int, _reason: str) -> None:
        """An event stream can carry neither; `bye` has given the reason, if there is one."""
        if not self.is_closing and self.transport is not None:
            self.begin_closing(prepared.LAST_CHUNK).close()

    def data_received(self, _data: bytes) -> None:
        """Ignored: a request pipelined after an endless response is never answered."""
