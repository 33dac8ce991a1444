"""One process of the product: settings in, a server that listens, an orderly end.

Every `__main__` calls `run`, which reads the settings, binds the port, builds the service, serves
it until a signal comes, and takes everything down again in the reverse order. A first SIGTERM
lets connections end one after the other; a second one, or SIGINT, hurries. It ends with an error
when some work ends without which it is of no use: whoever watches over it starts it anew.
"""

import asyncio
import errno
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

from madang_common import bad_settings, logging
from madang_common.http.keepalive import SERVER_KEEPALIVE_SECONDS
from madang_common.http.protocol import Upgraded, http_protocol
from madang_common.log.port import LogError
from madang_common.settings import CannotStart, CommonSettings, LogFormat
from madang_common.unknown_settings import unknown_settings

log = structlog.get_logger()

_BACKLOG = 65_535
"""Connections that may wait to be taken; the kernel takes it down to its own limit."""
_TAKEN_AT_ONCE = 16
"""Connections taken in one turn of the event loop. uvloop takes one for each listening socket."""
_ALLOCATIONS_PER_COLLECTION = 50_000

S = TypeVar("S", bound=CommonSettings)

Drain = Callable[[asyncio.Event], Awaitable[object]]
"""Lets connections end before the server does; told by the event when there is no time left."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a process serves on its port."""

    app: ASGIApp
    websocket: type[Upgraded] | None = None
    """Protocol class for WebSocket upgrades; without one they are answered as plain HTTP."""
    drain: Drain | None = None
    """Run when the process is asked to stop, while it still serves; then the server closes."""
    works: Sequence[asyncio.Task[None]] = ()
    """What goes on for as long as the process does; the end of any is the end of the process."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What to tell of it once it listens, by name; `{url}` stands for its address."""


class WorkEndedError(Exception):
    """Some work broke off that should have gone on; the log says on what."""


Build = Callable[[S], AbstractAsyncContextManager[Served]]


def run(name: str, settings_class: type[S], build: Build[S]) -> None:
    """Serve what `build` yields until a signal ends it; say in one line why it cannot start."""
    # What is made from here on, chats and password hashes too, is for this user alone, whatever
    # folder it lies in.
    os.umask(0o077)
    try:
        settings = settings_class()
        logging.configure(settings)
        for unknown in unknown_settings(os.environ, settings_class.model_fields):
            log.warning("unknown_setting", setting=unknown.name, closest=unknown.closest)
        with _bind(settings) as listener:
            _raise_file_limit()
            uvloop.run(_run(name, settings, build, listener))
    except ValidationError as error:
        mistakes = map(str, unknown_settings(os.environ, settings_class.model_fields))
        sys.exit(f"{name}: settings: {'; '.join([told(error), *mistakes])}")
    except (CannotStart, LogError, OSError, WorkEndedError) as error:
        sys.exit(f"{name}: {error}")


class _Server(uvicorn.Server):
    """Tells its address once it listens, and drains before it closes."""

    def __init__(self, name: str, served: Served, settings: CommonSettings) -> None:
        super().__init__(_config(served, settings))
        self._name = name
        self._drain = served.drain
        self._facts = served.facts
        self._for_people = settings.log_format is LogFormat.CONSOLE
        self._hurry = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.ended_work: str | None = None
        """Name of the work whose end was the end of this."""

    def depend_on(self, work: asyncio.Task[None]) -> None:
        """Serve no longer than `work` goes on."""
        work.add_done_callback(self._stop_with)

    def _stop_with(self, work: asyncio.Task[None]) -> None:
        if self.should_exit:
            return
        self.ended_work = work.get_name()
        error = None if work.cancelled() else work.exception()
        log.error("work_ended", work=self.ended_work, exc_info=error)
        self.should_exit = True

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in (sockets or ())[:1]:
            host, port = listener.getsockname()[:2]
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            facts = {name: fact.replace("{url}", url) for name, fact in self._facts.items()}
            lines = [f"{self._name} is ready: {url} (pid {os.getpid()})"]
            if self._for_people:
                lines += [f"  {name + ':':16} {fact}" for name, fact in facts.items()]
            else:
                log.info("ready", url=url, pid=os.getpid(), **facts)
            print(*lines, sep="\n", flush=True)  # noqa: T201 - for people

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Whoever presses Ctrl-C does not want to wait.
        if self.should_exit or sig == signal.SIGINT:
            self._loop.call_soon_threadsafe(self._hurry.set)
        super().handle_exit(sig, frame)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._drain is not None:
            await self._drain(self._hurry)
        await super().shutdown(sockets)


async def _run(name: str, settings: S, build: Build[S], listener: socket.socket) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    starting, interrupted = True, False
    ended_work: str | None = None

    def heed(*_: object) -> None:
        # Before uvicorn listens for signals, the wait for a broker or a database ends here. Once
        # it has ended it hands its signal on to this; the default would end the process there,
        # before everything is closed in order.
        nonlocal interrupted
        if starting and task is not None:
            interrupted = True
            loop.call_soon_threadsafe(task.cancel)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, heed)
    try:
        async with build(settings) as served:
            _spare_the_collector()
            server = _Server(name, served, settings)
            for work in served.works:
                server.depend_on(work)
            starting = False
            await server.serve(sockets=several(listener))
            ended_work = server.ended_work
    except asyncio.CancelledError:
        if not interrupted:
            raise
    if ended_work is not None:
        raise WorkEndedError(f"{ended_work} has ended")
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


def _bind(settings: CommonSettings) -> socket.socket:
    """Return a socket bound to the address; raise CannotStart with the address in it.

    It does not listen yet: who connects too early is refused, and does not wait.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        told = f"cannot listen on {settings.host}:{settings.port}: {error}"
        if error.errno == errno.EADDRINUSE:
            told += (
                "; stop the process that has the port"
                f" (`ss -ltnp 'sport = :{settings.port}'` names it), or give another MADANG_PORT"
            )
        raise CannotStart(told) from error
    return listener


def several(listener: socket.socket) -> list[socket.socket]:
    """Return `listener` many times over.

    One alone is hardly ever asked while there is much to do; then those who all come back at once
    find no place to wait in, and the kernels of most try again seconds later.
    """
    return [listener, *(listener.dup() for _ in range(_TAKEN_AT_ONCE - 1))]


def told(error: ValidationError) -> str:
    """Return what is wrong with the settings, in one line."""
    return bad_settings.sentences(error, _class_of(error, CommonSettings))


def _class_of(error: ValidationError, base: type[CommonSettings]) -> type[CommonSettings]:
    """Return the settings class that refused: the form in one process has one for each service."""
    if base.__name__ == error.title:
        return base
    found = (_class_of(error, derived) for derived in base.__subclasses__())
    return next((kind for kind in found if kind.__name__ == error.title), base)


def _spare_the_collector() -> None:
    """Let garbage collection pass over what stays, and come less often for what does not.

    Nearly all that a message makes is freed by its reference count; only what is left of
    connections needs collecting.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_PER_COLLECTION)


def _raise_file_limit() -> None:
    """Allow as many open files as this process may have: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
