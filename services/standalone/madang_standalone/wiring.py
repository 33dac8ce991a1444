"""Builds the four services in one process, on embedded adapters."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

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
from madang_common.log.sqlite import SqliteLog
from madang_common.server import Served
from madang_common.settings import CannotStart
from madang_standalone.data_folder import lock_folder
from madang_standalone.path_router import PathRouter
from madang_standalone.settings import StandaloneSettings
from madang_standalone.site import DOCS, create_site


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
        log = await SqliteLog.open(
            settings.data_dir / "log.db", settings.log_shards, retention=settings.retention
        )
        stack.push_async_callback(log.close)
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
        history = await stack.enter_async_context(
            madang_history.wiring.build(history_settings, log=log, transport=network)
        )
        network.add("history", history)
        gateway = await stack.enter_async_context(
            madang_gateway.wiring.build(gateway_settings, log=log, live=live, transport=network)
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
