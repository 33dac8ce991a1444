"""The four services in one process, on embedded adapters."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.types import ASGIApp

import madang_auth.wiring
import madang_gateway.wiring
import madang_history.wiring
import madang_rooms.wiring
from madang_common.http.inprocess import InProcessNetwork
from madang_common.live.inprocess import InProcessLive
from madang_common.log.sqlite import SqliteLog
from madang_standalone.front_door import FrontDoor
from madang_standalone.settings import StandaloneSettings
from madang_standalone.site import create_site


@dataclass(frozen=True, slots=True)
class Product:
    """What the server serves."""

    services: Mapping[str, FastAPI]
    app: ASGIApp
    websocket: type[asyncio.Protocol]


@asynccontextmanager
async def build(settings: StandaloneSettings) -> AsyncIterator[Product]:
    """Start everything, yield what is to be served, and stop everything in reverse order."""
    network = InProcessNetwork()
    async with AsyncExitStack() as stack:
        log = await SqliteLog.open(settings.data_dir / "log.db", settings.log_shards)
        stack.push_async_callback(log.close)
        live = InProcessLive()
        stack.push_async_callback(live.close)

        auth = await stack.enter_async_context(
            madang_auth.wiring.build(settings.auth(), live=live, transport=network)
        )
        network.add("auth", auth)
        rooms = await stack.enter_async_context(
            madang_rooms.wiring.build(settings.rooms(), log=log, transport=network)
        )
        network.add("rooms", rooms)
        history = await stack.enter_async_context(
            madang_history.wiring.build(settings.history(), log=log, transport=network)
        )
        network.add("history", history)
        gateway = await stack.enter_async_context(
            madang_gateway.wiring.build(settings.gateway(), log=log, live=live, transport=network)
        )
        network.add("gateway", gateway)

        services = {"auth": auth, "rooms": rooms, "history": history, "gateway": gateway}
        site = create_site(settings, settings.web_dir, services)
        paths: dict[str, ASGIApp] = {f"/api/{name}/": app for name, app in services.items()}
        paths["/.well-known/"] = auth
        yield Product(services, FrontDoor(paths, site), gateway.state.websocket)
