"""Structured logs: one event per line, as JSON or for a console, with ids bound once."""

import asyncio
import atexit
import logging
import sys
import time
from typing import TextIO

import orjson
import structlog

from madang_common.clock import rfc3339
from madang_common.settings import CommonSettings, LogFormat

_QUIET = (
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "httpx",
    "httpcore",
    "websockets",
    "alembic",
)
_SILENT = ("aiormq", "aio_pika")
_MALFORMED_REQUEST = "Invalid HTTP request received."
"""uvicorn's warning for every malformed request; a client could fill the log with it."""


def configure(settings: CommonSettings) -> None:
    """Make structlog and the standard library's loggers write to standard error in one format.

    structlog writes its lines itself: the standard library's handlers cost several times as much,
    and a gateway logs each connection twice.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _add_timestamp,
    ]
    if settings.log_format is LogFormat.CONSOLE:
        render: list[structlog.typing.Processor] = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    else:
        # Without local variables, which contain passwords and tokens.
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        render = [
            structlog.processors.ExceptionRenderer(tracebacks),
            structlog.processors.JSONRenderer(serializer=_json),
        ]
    level = settings.log_level.upper()
    structlog.configure(
        processors=[*shared, *render],
        logger_factory=_Writers(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _QUIET:
        # The middleware logs each request once.
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_not_malformed_request)
    for name in _SILENT:
        # `madang_common.amqp` logs a lost connection once and without a traceback.
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _is_not_malformed_request(record: logging.LogRecord) -> bool:
    return record.msg != _MALFORMED_REQUEST


def _add_timestamp(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event["timestamp"] = rfc3339(time.time())
    return event


class _Lines:
    """Buffers lines and writes them together at the end of a turn of the event loop.

    A write per line costs more than everything else about it. Lines from outside an event loop are
    written immediately.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._buffer: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop in which the next flush is scheduled."""
        atexit.register(self.flush)

    def add(self, line: str) -> None:
        """Write `line` at the end of this turn of the event loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # In one call, so that lines of two threads are not interleaved.
            self._file.write(f"{line}\n")
            return
        if self._loop is not loop:
            self.flush()
            self._loop = loop
            loop.call_soon(self.flush)
        self._buffer.append(line)

    def flush(self) -> None:
        """Write the buffered lines."""
        self._loop = None
        if self._buffer:
            self._buffer.append("")
            lines, self._buffer = self._buffer, []
            self._file.write("\n".join(lines))


class _Writer:
    """The logger of one module; `name` is the module's."""

    def __init__(self, lines: _Lines, name: str) -> None:
        self.name = name
        self.debug = self.info = self.warning = self.error = self.critical = lines.add


class _Writers:
    """structlog's logger factory: one writer per module."""

    def __init__(self, file: TextIO) -> None:
        self._lines = _Lines(file)
        self._named = structlog.stdlib.LoggerFactory(ignore_frame_names=[__name__])

    def __call__(self, *args: object) -> _Writer:
        return _Writer(self._lines, self._named(*args).name)


def _json(value: object, **options: object) -> str:
    default = options.get("default")
    return orjson.dumps(value, default=default if callable(default) else str).decode()
