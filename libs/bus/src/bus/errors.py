"""What can go wrong on the bus, as one tree:

* BusError
    * BusUnavailable: there is no connection, or the stream accepts nothing
    * BusTimeout: no answer in time; the request may have been carried out
    * NoResponders: no service subscribes to the subject
    * ServiceError: a service answered with an error
"""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import nats.errors
import nats.js.errors

_CLOSED = re.compile(
    r"; the handler is closed$|^Cannot call write(lines)?\(\) after write_eof\(\)$"
    r"|^(Event loop|Session) is closed$|^Transport is closing$"
)


class BusError(Exception):
    """Something on the bus failed; the text says what, for people."""


class BusUnavailable(BusError):
    """There is no connection to NATS at the moment."""


class BusTimeout(BusError):
    """No answer came in time; the request may have been carried out all the same."""


class NoResponders(BusError):
    """No service subscribes to this subject at the moment."""


class ServiceError(BusError):
    """A service's error reply: a code as in HTTP, words, a body, and when to try again, in seconds.

    The service's handler raises it, and `Bus.ask` raises it again in the caller.
    """

    def __init__(
        self, code: int, description: str, body: bytes = b"", retry_after: int | None = None
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.body = body
        self.retry_after = retry_after


@contextmanager
def bus_errors(what: str) -> Iterator[None]:
    """Raise everything that can go wrong on the connection as a BusError that names `what`."""
    try:
        yield
    except BusError:
        raise
    except nats.errors.NoRespondersError:
        raise NoResponders(f"{what}: nobody answers") from None
    except nats.js.errors.ServiceUnavailableError as error:
        reason = error.description or "is it enabled there? nats-server -js"
        raise BusUnavailable(f"{what}: JetStream does not answer ({reason})") from None
    except nats.js.errors.APIError as error:
        raise BusUnavailable(f"{what}: {error.description}") from None
    except (nats.errors.TimeoutError, TimeoutError):
        raise BusTimeout(f"{what}: no answer in time") from None
    except (nats.errors.Error, OSError) as error:
        raise BusUnavailable(f"{what}: {words(error)}") from None
    except RuntimeError as error:
        if not _is_closed_connection(error):
            raise
        raise BusUnavailable(f"{what}: {words(error)}") from None


def words(error: Exception) -> str:
    """An error's text, without nats-py's prefix."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"NATS's certificate is refused: {error.verify_message.rstrip('.')}"
    return str(error).removeprefix("nats: ") or type(error).__name__


def _is_closed_connection(error: RuntimeError) -> bool:
    """Whether it says that a connection is closed, for which event loops have no other type.

    uvloop's and asyncio's transports raise it, and aiohttp if NATS_URL is a WebSocket's. All other
    RuntimeErrors are bugs.
    """
    return type(error) is RuntimeError and _CLOSED.search(str(error)) is not None
