"""The NATS client of our services: no reply goes into a room's history, and a flush is one."""

from nats.aio.client import DEFAULT_FLUSH_TIMEOUT
from nats.aio.client import Client as NatsClient
from nats.js.api import Header
from prometheus_client import Counter

from .logs import logger

log = logger(__name__)

_refused = Counter("tminus_replies_refused_total", "Replies that were to go into a room's history.")


class Client(NatsClient):
    """Publishes on a room's events only what says which entry it expects to be the last.

    Whoever asks a service something names the subject of the reply, and the service publishes there
    by its own permissions: `nats pub --reply countdown.main.events scheduler.start` would have the
    scheduler write one `started` more. An append always names the entry it follows, a reply never.
    """

    async def publish(
        self,
        subject: str,
        payload: bytes = b"",
        reply: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        is_history = subject.startswith("countdown.") and subject.endswith(".events")
        if is_history and Header.EXPECTED_LAST_SUBJECT_SEQUENCE not in (headers or {}):
            _refused.inc()
            log.warning("a reply was to go into a room's history", subject=subject)
            return
        await super().publish(subject, payload, reply, headers)

    async def flush(self, timeout: int = DEFAULT_FLUSH_TIMEOUT) -> None:
        """Wait up to `timeout` seconds, twice at most, until the server has all that was sent.

        nats-py's ping overtakes what waits to be written, a subscription for instance. It has that
        written, too, so a second ping comes behind it.
        """
        await super().flush(timeout)
        await super().flush(timeout)
