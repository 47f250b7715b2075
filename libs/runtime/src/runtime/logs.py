"""One log line per event, to standard error: for people (`console`) or programs (`json`)."""

import logging
import sys

import structlog
from aiohttp.http_exceptions import HttpProcessingError

from .log_limit import LineLimit, bounded
from .settings import Settings


def configure(settings: Settings, service: str, *more: structlog.typing.Processor) -> None:
    """Send the logs of this process, its libraries' too, through one formatter; `more` add to a
    line what it has besides."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *more,
    ]
    renderer: structlog.typing.Processor
    if settings.log_format == "json":
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            pad_event_to=0,
            pad_level=False,
            exception_formatter=structlog.dev.plain_traceback,
        )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                bounded,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    handler.addFilter(LineLimit())
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)
    logging.getLogger("aiohttp.server").addFilter(_calm)
    logging.getLogger("asyncio").addFilter(_matters)
    # It warns of every handshake that offers only subprotocols that we do not know: anybody may.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, instance=settings.instance)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


def _calm(record: logging.LogRecord) -> bool:
    """Log bytes that are not HTTP in one line: anybody can send them, so no traceback is due."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError) and error.code < 500:
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        reason = " ".join(error.message.split())[:100]
        record.msg, record.args = f"{record.getMessage()}: {reason}", ()
        record.exc_info = None
    return True


def _matters(record: logging.LogRecord) -> bool:
    """Leave out what asyncio says whenever a connection over TLS ends that nats-py has opened."""
    return not str(record.msg).startswith("returning true from eof_received()")
