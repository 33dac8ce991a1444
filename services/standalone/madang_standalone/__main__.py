"""Start all of Madang in one process."""

import gc
import os
import resource
import signal
import socket
import sys

import structlog
import uvicorn
import uvloop
from pydantic import ValidationError
from typing_extensions import override

from madang_common import logging
from madang_common.log.port import LogError
from madang_standalone.data_folder import FolderInUse, held
from madang_standalone.http_protocol import http_protocol
from madang_standalone.settings import StandaloneSettings
from madang_standalone.wiring import Product, build

log = structlog.get_logger()

_BACKLOG = 2048
_ALLOCATIONS_PER_COLLECTION = 50_000


class _Server(uvicorn.Server):
    """Says where to go once it listens."""

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            print(f"Madang is ready: http://{host}:{port}", flush=True)  # noqa: T201 - for people


def main() -> None:
    """Run until a signal ends it; say in one line why it cannot start."""
    # What is made from here on, chats and password hashes too, is for this user alone, whatever
    # folder it lies in.
    os.umask(0o077)
    try:
        settings = StandaloneSettings()
        logging.configure(settings)
        with held(settings.data_dir), _listen(settings) as listener:
            _raise_file_limit()
            uvloop.run(_run(settings, listener))
    except ValidationError as error:
        problems = "; ".join(f"{found['loc']}: {found['msg']}" for found in error.errors())
        sys.exit(f"madang: settings: {problems}")
    except (FolderInUse, LogError, OSError) as error:
        sys.exit(f"madang: {error}")


async def _run(settings: StandaloneSettings, listener: socket.socket) -> None:
    # uvicorn hands the signal that ended it on to whoever handled it before; the default would
    # end the process here, before everything is closed in order.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    async with build(settings) as product:
        _spare_the_collector()
        await _Server(_config(product, settings)).serve(sockets=[listener])
    log.info("stopped")


def _config(product: Product, settings: StandaloneSettings) -> uvicorn.Config:
    return uvicorn.Config(
        product.app,
        ws=product.websocket,
        http=http_protocol(
            within_head_bytes=settings.request_head_bytes, within_seconds=settings.request_seconds
        ),
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


def _listen(settings: StandaloneSettings) -> socket.socket:
    """Return the listening socket; raise OSError with the address in it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OSError(f"cannot listen on {settings.host}:{settings.port}: {error}") from error


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


if __name__ == "__main__":
    main()
