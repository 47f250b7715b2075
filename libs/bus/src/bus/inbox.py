"""Where the replies to a client's requests arrive, all over one subscription.

nats-py's own way takes a queue, a task and three more turns of the event loop for each reply.
"""

from collections.abc import Callable
from itertools import count

Take = Callable[[bytes, bytes], None]
"""Takes a reply: its block of headers, its payload."""


class Inbox:
    """Hands each reply to what expects it; `on_reply` is called with all of a subscription."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._ids = count(1)
        self._expected: dict[bytes, Take] = {}

    def expect(self, take: Take) -> str:
        """The subject for the replies that `take` is to be called with."""
        subject = self._prefix + str(next(self._ids))
        self._expected[subject.encode()] = take
        return subject

    def forget(self, subject: str) -> None:
        """Nobody expects replies there any more."""
        self._expected.pop(subject.encode(), None)

    def on_reply(self, subject: bytes, _reply: bytes, headers: bytes, payload: bytes) -> None:
        """Handle a message to a subject below the prefix."""
        if (take := self._expected.get(subject)) is not None:
            take(headers, payload)
