"""Builds the four services in one process, on embedded adapters."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp

import madang_auth.wiring
import madang_gateway.wiring
import madang_history.wiring
import madang_rooms.wiring
from madang_auth.accounts.user_admin import UserAdmin
from madang_common.http.inprocess import InProcessNetwork
from madang_common.http.request_limit import RequestAllowance
from madang_common.live.inprocess import InProcessLive
from madang_common.log.port import Log, OlderLogs
from madang_common.log.runbooks import BROKER_DATA_LOST
from madang_common.log.sqlite import SqliteLog, open_epoch_file
from madang_common.log.sqlite_file import epoch_file
from madang_common.server import Served
from madang_common.settings import CannotStart
from madang_history.store.port import MessageStore, StoreError
from madang_rooms.recovery.recovery import Recovery
from madang_standalone.data_folder import lock_folder
from madang_standalone.path_router import PathRouter
from madang_standalone.settings import StandaloneSettings
from madang_standalone.site import DOCS, create_site

LOG_FILE = "log.db"
"""The log in epoch 0; those of later epochs stand beside it."""


@asynccontextmanager
async def build(settings: StandaloneSettings) -> AsyncIterator[Served]:
    """Run all services and yield what the process serves on its port."""
    if not settings.web_dir.is_dir():
        raise CannotStart(
            f"MADANG_WEB_DIR={settings.web_dir}: there is no such folder; set it to that of the"
            " browser client, `web/public` in the repository"
        )
    async with services(settings) as apps:
        site = create_site(settings, settings.web_dir, apps)
        gateway = apps["gateway"].state
        yield Served(
            PathRouter(apps_by_prefix(apps), site, RequestAllowance(settings)),
            gateway.websocket,
            gateway.drain,
            [task for app in apps.values() for task in app.state.tasks],
            _facts(settings),
        )


@asynccontextmanager
async def services(settings: StandaloneSettings) -> AsyncIterator[Mapping[str, FastAPI]]:
    """Run the four services and yield their apps, by name."""
    # All settings first: a mistake in one stops the start before any file is opened.
    auth_settings, rooms_settings = settings.auth(), settings.rooms()
    history_settings, gateway_settings = settings.history(), settings.gateway()
    network = InProcessNetwork()
    async with AsyncExitStack() as stack:
        stack.enter_context(lock_folder(settings.data_dir))
        with _store_named():
            await madang_history.wiring.check_embedded_epoch(history_settings)
        log = await _open_log(settings, stack)
        live = InProcessLive()
        stack.push_async_callback(live.close)

        auth = await stack.enter_async_context(
            madang_auth.wiring.build(auth_settings, live=live, transport=network)
        )
        network.add("auth", auth)
        rooms = await stack.enter_async_context(
            madang_rooms.wiring.build(rooms_settings, log=log, transport=network)
        )
        network.add("rooms", rooms)
        with _store_named():
            history = await stack.enter_async_context(
                madang_history.wiring.build(
                    history_settings,
                    log=log,
                    older_logs=_older_logs(settings),
                    transport=network,
                )
            )
        network.add("history", history)
        gateway = await stack.enter_async_context(
            madang_gateway.wiring.build(
                gateway_settings,
                log=log,
                live=live,
                older_logs=_older_logs(settings),
                transport=network,
            )
        )
        network.add("gateway", gateway)
        yield {"auth": auth, "rooms": rooms, "history": history, "gateway": gateway}


@asynccontextmanager
async def open_user_admin(settings: StandaloneSettings) -> AsyncIterator[UserAdmin]:
    """Yield the operations of the `users` command, on the data folder of the serving process.

    A serving process reads the ended sessions from the store, as replicas do from Redis.
    """
    if not (settings.data_dir / madang_rooms.wiring.FILE).exists():
        raise CannotStart(f"MADANG_DATA_DIR={settings.data_dir}: no user is registered there")
    network = InProcessNetwork()
    async with AsyncExitStack() as stack:
        auth = await stack.enter_async_context(
            madang_auth.wiring.build(settings.auth(), live=InProcessLive(), transport=network)
        )
        network.add("auth", auth)
        rooms = await stack.enter_async_context(
            madang_rooms.wiring.build_accounts(settings.rooms(), transport=network)
        )
        network.add("rooms", rooms)
        users: UserAdmin = auth.state.user_admin
        yield users


@asynccontextmanager
async def open_recovery(settings: StandaloneSettings) -> AsyncIterator[Recovery]:
    """Yield the comparison of the database with the log, in the folder of a stopped process.

    Raise CannotStart if the log lost events that history has: the database may be right then.
    """
    if not (settings.data_dir / madang_rooms.wiring.FILE).exists():
        raise CannotStart(f"MADANG_DATA_DIR={settings.data_dir}: there is no database of rooms")
    async with AsyncExitStack() as stack:
        log = await _open_existing_log(settings, stack)
        await madang_history.wiring.check_embedded_log(settings.history(), log)
        yield await stack.enter_async_context(
            madang_rooms.wiring.open_recovery(
                settings.rooms(),
                log=log,
                older_logs=_older_logs(settings),
            )
        )


@asynccontextmanager
async def open_to_verify(
    settings: StandaloneSettings,
) -> AsyncIterator[tuple[Log, OlderLogs, MessageStore]]:
    """Yield the log and the store in the data folder of a stopped process."""
    async with AsyncExitStack() as stack:
        log = await _open_existing_log(settings, stack)
        yield await stack.enter_async_context(
            madang_history.wiring.open_to_verify(
                settings.history(),
                log=log,
                older_logs=_older_logs(settings),
            )
        )


async def _open_log(settings: StandaloneSettings, stack: AsyncExitStack) -> SqliteLog:
    log = await SqliteLog.open(
        settings.data_dir / LOG_FILE,
        settings.log_shards,
        epoch=settings.log_epoch,
        retention=settings.retention,
    )
    stack.push_async_callback(log.close)
    return log


async def _open_existing_log(settings: StandaloneSettings, stack: AsyncExitStack) -> SqliteLog:
    """Lock the folder and open its log, to read; raise CannotStart if it has none in this epoch."""
    if not settings.data_dir.is_dir():
        raise CannotStart(f"MADANG_DATA_DIR={settings.data_dir}: there is no such folder")
    stack.enter_context(lock_folder(settings.data_dir))
    path = settings.data_dir / LOG_FILE
    log = await SqliteLog.open_current(path, settings.log_shards, epoch=settings.log_epoch)
    if log is None:
        raise CannotStart(
            f"{epoch_file(path, settings.log_epoch)} does not exist; set MADANG_LOG_EPOCH as the"
            f" process that serves has it; if it was lost, see {BROKER_DATA_LOST}"
        )
    stack.push_async_callback(log.close)
    return log


@contextmanager
def _store_named() -> Iterator[None]:
    """Convert an error of history's store, which names the file, to CannotStart."""
    try:
        yield
    except StoreError as error:
        raise CannotStart(str(error)) from error


def _older_logs(settings: StandaloneSettings) -> OlderLogs:
    return partial(open_epoch_file, settings.data_dir / LOG_FILE)


def apps_by_prefix(apps: Mapping[str, FastAPI]) -> dict[str, ASGIApp]:
    """Return the path prefixes that clients may reach, with the app of each."""
    prefixes: dict[str, ASGIApp] = {f"/api/{name}/": app for name, app in apps.items()}
    return prefixes | {"/.well-known/": apps["auth"], "/ws": apps["gateway"]}


def _facts(settings: StandaloneSettings) -> dict[str, str]:
    """Return lines of the start-up message: the page of the REST interface, the data, the stop."""
    return {
        "docs": f"{{url}}{DOCS}",
        "data": str(settings.data_dir.resolve()),
        "stop": f"Ctrl-C, or kill {os.getpid()}",
    }
