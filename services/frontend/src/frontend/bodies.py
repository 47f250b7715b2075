"""What a request carries: what can't be read is its sender's fault, and is told as such."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .refusals import Refused

Form = dict[str, str]


async def read(request: web.Request) -> bytes:
    """The body as it is; raises Refused."""
    with _legible(request):
        return await request.read()


async def read_form(request: web.Request) -> Form:
    """The fields of a form, files left out; raises Refused."""
    with _legible(request):
        fields = await request.post()
    return {name: value for name, value in fields.items() if isinstance(value, str)}


@contextmanager
def _legible(request: web.Request) -> Iterator[None]:
    try:
        yield
    except web.RequestPayloadError as error:
        # What is left of the body can't be read either, so nothing can follow on this connection.
        request.content.feed_eof()
        request.protocol.keep_alive(False)
        raise _illegible(error) from None
    except (HttpProcessingError, LookupError, RuntimeError, ValueError) as error:
        raise _illegible(error) from None


def _illegible(error: Exception) -> Refused:
    return Refused(400, f"The body can't be read: {' '.join(str(error).split())[:200]}.")
