"""The life of one process: read the settings, serve, and shut down in order.

Every `__main__` calls `run`, which reads the settings, binds the port, builds the service, serves
until a signal comes, and closes everything in reverse order. The first SIGTERM drains connections;
a second one, or SIGINT, skips the rest of the drain. The process exits with an error when one of
the service's background tasks ends, so that its supervisor restarts it.
"""

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import FrameType
from typing import TypeVar

import structlog
import uvicorn
import uvloop
from pydantic import ValidationError
from starlette.types import ASGIApp
from typing_extensions import override

from madang_common import listener, logging, settings_errors
from madang_common.http.keepalive import SERVER_KEEPALIVE_SECONDS
from madang_common.http.protocol import http_protocol
from madang_common.http.upgrade import Upgraded
from madang_common.log.port import LogError
from madang_common.settings import CannotStart, CommonSettings, LogFormat
from madang_common.unknown_settings import unknown_settings

log = structlog.get_logger()

_BACKLOG = 65_535
"""Connections that may wait to be accepted; the kernel lowers it to its own limit."""
_GC_THRESHOLD = 50_000
"""Container objects allocated, less those freed, between two collections of the youngest."""

S = TypeVar("S", bound=CommonSettings)

Drain = Callable[[asyncio.Event], Awaitable[object]]
"""Ends connections before the server closes; the event is set when there is no time left."""


@dataclass(frozen=True, slots=True)
class Served:
    """The app of a process, and the tasks and callbacks that belong to it."""

    app: ASGIApp
    websocket: type[Upgraded] | None = None
    """Protocol class for WebSocket upgrades; without one they are answered as plain HTTP."""
    drain: Drain | None = None
    """Runs after a stop signal, while the process still serves; then the server closes."""
    tasks: Sequence[asyncio.Task[None]] = ()
    """Background tasks that run as long as the process; when one ends, the process does too."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Lines of the start-up message, by name; `{url}` stands for the server's address."""


class TaskEndedError(Exception):
    """A background task ended; the log has its error."""


Build = Callable[[S], AbstractAsyncContextManager[Served]]


def run(name: str, settings_class: type[S], build: Build[S]) -> None:
    """Serve what `build` yields until a signal; exit with one line if it cannot start."""
    # Files created from here on contain chats and password hashes: only this user may read them.
    os.umask(0o077)
    try:
        settings = settings_class()
        logging.configure(settings)
        for unknown in unknown_settings(os.environ, settings_class.model_fields):
            log.warning("unknown_setting", setting=unknown.name, closest=unknown.closest)
        with listener.bind(settings) as bound:
            _raise_file_limit()
            uvloop.run(_run(name, settings, build, bound))
    except ValidationError as error:
        unknown_ones = map(str, unknown_settings(os.environ, settings_class.model_fields))
        sys.exit(f"{name}: settings: {'; '.join([settings_errors.describe(error), *unknown_ones])}")
    except (CannotStart, LogError, OSError, TaskEndedError) as error:
        sys.exit(f"{name}: {error}")


class _Server(uvicorn.Server):
    """Prints its address once it listens, and drains before it closes."""

    def __init__(self, name: str, served: Served, settings: CommonSettings) -> None:
        super().__init__(_config(served, settings))
        self._name = name
        self._drain = served.drain
        self._facts = served.facts
        self._is_console = settings.log_format is LogFormat.CONSOLE
        self._hurry = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.ended_task: str | None = None
        """Name of the background task whose end stopped the server."""

    def depend_on(self, task: asyncio.Task[None]) -> None:
        """Stop when `task` ends."""
        task.add_done_callback(self._stop_after)

    def _stop_after(self, task: asyncio.Task[None]) -> None:
        if self.should_exit:
            return
        self.ended_task = task.get_name()
        error = None if task.cancelled() else task.exception()
        log.error("work_ended", work=self.ended_task, exc_info=error)
        self.should_exit = True

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for bound in (sockets or ())[:1]:
            host, port = bound.getsockname()[:2]
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            facts = {name: fact.replace("{url}", url) for name, fact in self._facts.items()}
            lines = [f"{self._name} is ready: {url} (pid {os.getpid()})"]
            if self._is_console:
                lines += [f"  {name + ':':16} {fact}" for name, fact in facts.items()]
            else:
                log.info("ready", url=url, pid=os.getpid(), **facts)
            print(*lines, sep="\n", flush=True)  # noqa: T201 - for the user at the terminal

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Ctrl-C does not wait for the drain.
        if self.should_exit or sig == signal.SIGINT:
            self._loop.call_soon_threadsafe(self._hurry.set)
        super().handle_exit(sig, frame)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._drain is not None:
            await self._drain(self._hurry)
        await super().shutdown(sockets)


async def _run(name: str, settings: S, build: Build[S], bound: socket.socket) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    server: _Server | None = None
    interrupted = False
    ended_task: str | None = None

    def interrupt(*_: object) -> None:
        # Before uvicorn handles signals, this cancels the wait for a broker or a database, or stops
        # the server that is about to start. After its end uvicorn raises the signal again, and the
        # default handler would end the process before everything is closed in order.
        nonlocal interrupted
        if server is not None:
            server.should_exit = True
        elif task is not None:
            interrupted = True
            loop.call_soon_threadsafe(task.cancel)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        async with build(settings) as served:
            _tune_garbage_collection()
            server = _Server(name, served, settings)
            for background_task in served.tasks:
                server.depend_on(background_task)
            try:
                await server.serve(sockets=listener.duplicates(bound))
            finally:
                # From here on the background tasks are cancelled; `serve` may not have begun.
                server.should_exit = True
            ended_task = server.ended_task
    except asyncio.CancelledError:
        if not interrupted:
            raise
    if ended_task is not None:
        raise TaskEndedError(f"{ended_task} has ended")
    log.info("stopped")


def _config(served: Served, settings: CommonSettings) -> uvicorn.Config:
    return uvicorn.Config(
        served.app,
        ws=served.websocket or "none",
        http=http_protocol(
            within_head_bytes=settings.request_head_bytes, within_seconds=settings.request_seconds
        ),
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=bool(settings.proxy_addresses),
        forwarded_allow_ips=list(settings.proxy_addresses),
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=SERVER_KEEPALIVE_SECONDS,
        timeout_graceful_shutdown=10,
    )


def _tune_garbage_collection() -> None:
    """Exclude the objects that exist now from garbage collection, and collect less often.

    Reference counting frees nearly everything that a message allocates; only closed connections
    leave cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


def _raise_file_limit() -> None:
    """Raise the limit of open files to the hard limit: each connection needs one."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
