"""Why the rules refuse a command: what is in the way of it."""

from .events import Event, Unknown
from .requests import RequestError


class Refusal(Exception):
    """A command was refused."""


class RunUnderWay(Refusal):
    """Another run is under way; `last` is the room's last event."""

    def __init__(self, last: Event) -> None:
        super().__init__(f"run {last.run!r} is under way in room {last.room!r}")
        self.last = last


class OtherTerms(Refusal):
    """The run was started before, with other terms; `last` is the room's last event."""

    def __init__(self, last: Event) -> None:
        super().__init__(f"run: {last.run!r} was started before, with other terms")
        self.last = last


class NothingUnderWay(Refusal):
    """No run is under way in the room."""


class NotHeld(Refusal):
    """The run to resume or recycle counts; `last` is the room's last event."""

    def __init__(self, last: Event) -> None:
        super().__init__(f"run {last.run!r} is not held")
        self.last = last


class OutOfRange(Refusal, RequestError):
    """The run can't be adjusted by so much; the text names the field."""


class NotUnderstood(Refusal):
    """The room's last event is of a type that only a newer version knows."""

    def __init__(self, last: Unknown) -> None:
        super().__init__(
            f"the last event of room {last.room!r} has the type {last.type!r}, "
            "which this version does not know"
        )
