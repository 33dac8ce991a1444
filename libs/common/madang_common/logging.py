"""Logs: one event a line, JSON for machines or console for people, with ids bound once."""

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
_UNREADABLE = "Invalid HTTP request received."
"""What uvicorn warns of once for each request that is none, as often as somebody sends one."""


def configure(settings: CommonSettings) -> None:
    """Send structlog and the standard library's loggers to standard error, in one format.

    structlog writes its lines itself: the way through the standard library costs several times as
    much, and a gateway logs each connection twice.
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
        # Without the frames' variables, which hold passwords and tokens.
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
        # The servers' and clients' own chatter; create_app logs each request once.
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_no_bad_request)
    for name in _SILENT:
        # What they lose is told once by who uses them, without a traceback for each.
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _is_no_bad_request(record: logging.LogRecord) -> bool:
    return record.msg != _UNREADABLE


def _add_timestamp(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event["timestamp"] = rfc3339(time.time())
    return event


class _Lines:
    """Writes what one turn of the event loop logs at once, in its end.

    A write for each line costs more than all else about it. What is said outside of event loops is
    written at once.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._waiting: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop that will write what waits."""
        atexit.register(self.flush)

    def add(self, line: str) -> None:
        """Write `line`, soon."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # In one call, so that the lines of two threads do not mix.
            self._file.write(f"{line}\n")
            return
        if self._loop is not loop:
            self.flush()
            self._loop = loop
            loop.call_soon(self.flush)
        self._waiting.append(line)

    def flush(self) -> None:
        """Write what waits."""
        self._loop = None
        if self._waiting:
            self._waiting.append("")
            waiting, self._waiting = self._waiting, []
            self._file.write("\n".join(waiting))


class _Writer:
    """Writes lines, whatever their level; `name` is the module's that logs."""

    def __init__(self, lines: _Lines, name: str) -> None:
        self.name = name
        self.debug = self.info = self.warning = self.error = self.critical = lines.add


class _Writers:
    """Makes a writer for each module that logs."""

    def __init__(self, file: TextIO) -> None:
        self._lines = _Lines(file)
        self._named = structlog.stdlib.LoggerFactory(ignore_frame_names=[__name__])

    def __call__(self, *args: object) -> _Writer:
        return _Writer(self._lines, self._named(*args).name)


def _json(value: object, **options: object) -> str:
    default = options.get("default")
    return orjson.dumps(value, default=default if callable(default) else str).decode()
