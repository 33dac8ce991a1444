"""The four services in one process, on embedded adapters."""

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
from madang_standalone.data_folder import held
from madang_standalone.front_door import FrontDoor
from madang_standalone.settings import StandaloneSettings
from madang_standalone.site import DOCS, create_site


@asynccontextmanager
async def build(settings: StandaloneSettings) -> AsyncIterator[Served]:
    """Start everything, yield what is to be served, and stop everything in reverse order."""
    if not settings.web_dir.is_dir():
        raise CannotStart(
            f"MADANG_WEB_DIR={settings.web_dir}: there is no such folder; give the one of the"
            " browser client, `web/public` in the repository"
        )
    async with services(settings) as apps:
        site = create_site(settings, settings.web_dir, apps)
        gateway = apps["gateway"].state
        tasks = [task for app in apps.values() for task in app.state.tasks]
        door = FrontDoor(paths_of(apps), site, RequestAllowance(settings))
        yield Served(door, gateway.websocket, gateway.drain, tasks, _facts(settings))


def _facts(settings: StandaloneSettings) -> dict[str, str]:
    """Return what somebody who has just started the process wants to know."""
    return {
        "docs": f"{{url}}{DOCS}",
        "data": str(settings.data_dir.resolve()),
        "stop": f"Ctrl-C, or kill {os.getpid()}",
    }


def paths_of(apps: Mapping[str, FastAPI]) -> dict[str, ASGIApp]:
    """Return the beginnings of the paths that each of `apps` answers from outside."""
    paths: dict[str, ASGIApp] = {f"/api/{name}/": app for name, app in apps.items()}
    return paths | {"/.well-known/": apps["auth"], "/ws": apps["gateway"]}


@asynccontextmanager
async def operate(settings: StandaloneSettings) -> AsyncIterator[UserAdmin]:
    """Yield what an operator's command asks, on the files of the process that runs, or of none.

    That process finds out as it would on real servers: by asking the store which logins ended.
    """
    if not (settings.data_dir / madang_rooms.wiring.FILE).exists():
        raise CannotStart(f"nobody ever registered in {settings.data_dir}")
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
        operator: UserAdmin = auth.state.user_admin
        yield operator


@asynccontextmanager
async def services(settings: StandaloneSettings) -> AsyncIterator[Mapping[str, FastAPI]]:
    """Run the four services, and yield their apps by name."""
    # All of them first: a mistake in one is told before anything was made or begun.
    of_auth, of_rooms = settings.auth(), settings.rooms()
    of_history, of_gateway = settings.history(), settings.gateway()
    network = InProcessNetwork()
    async with AsyncExitStack() as stack:
        stack.enter_context(held(settings.data_dir))
        log = await SqliteLog.open(
            settings.data_dir / "log.db", settings.log_shards, retention=settings.retention
        )
        stack.push_async_callback(log.close)
        live = InProcessLive()
        stack.push_async_callback(live.close)

        auth = await stack.enter_async_context(
            madang_auth.wiring.build(of_auth, live=live, transport=network)
        )
        network.add("auth", auth)
        rooms = await stack.enter_async_context(
            madang_rooms.wiring.build(of_rooms, log=log, transport=network)
        )
        network.add("rooms", rooms)
        history = await stack.enter_async_context(
            madang_history.wiring.build(of_history, log=log, transport=network)
        )
        network.add("history", history)
        gateway = await stack.enter_async_context(
            madang_gateway.wiring.build(of_gateway, log=log, live=live, transport=network)
        )
        network.add("gateway", gateway)
        yield {"auth": auth, "rooms": rooms, "history": history, "gateway": gateway}
