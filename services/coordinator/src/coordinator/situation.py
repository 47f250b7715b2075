"""Where this coordinator stands: in the stream, and among the other coordinators."""


class Situation:
    """What every room has to know of what lies outside it."""

    __slots__ = ("elsewhere", "epoch", "instance", "is_beginning", "position")

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.epoch = ""
        self.position = 0
        """The last sequence of the stream that was taken in."""
        self.is_beginning = True
        """Whether the stream's past is being read, which viewers are told in one piece."""
        self.elsewhere: dict[str, int] = {}
        """Viewers on other coordinators, by room."""
