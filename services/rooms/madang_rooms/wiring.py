"""The rooms service, put together: the only place that chooses adapters."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from madang_common.clock import Clock
from madang_common.health import Health
from madang_common.http.app import create_app
from madang_common.http.client import create_client
from madang_common.http.security import secure
from madang_common.log.port import Log
from madang_common.log.publisher import Publisher
from madang_common.tokens.verifier import Verifiers
from madang_rooms.api import ROUTERS
from madang_rooms.api.desk import Desk, open_desk
from madang_rooms.directory import Directory
from madang_rooms.doorkeeper import Doorkeeper
from madang_rooms.invitations import Invitations
from madang_rooms.lobby import Lobby
from madang_rooms.members import Members
from madang_rooms.metrics import RoomsMetrics
from madang_rooms.relay import Relay
from madang_rooms.settings import RoomsSettings
from madang_rooms.sqlite import open_sqlite
from madang_rooms.unit_of_work import UnitsOfWork

FILE = Path("rooms") / "rooms.db"
"""Where the embedded database lies in the data folder."""


@asynccontextmanager
async def build(
    settings: RoomsSettings,
    *,
    log: Log,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock = time.time,
) -> AsyncIterator[FastAPI]:
    """Start the service on `log`, which stays the caller's to close."""
    async with AsyncExitStack() as stack:
        path = settings.data_dir / FILE
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        database = await open_sqlite(path, wait_seconds=settings.database_wait_seconds)
        stack.push_async_callback(database.close)
        auth = await stack.enter_async_context(
            create_client(settings.auth_url, transport=transport)
        )
        registry = CollectorRegistry()
        metrics = RoomsMetrics(registry, clock)
        publisher = Publisher(log, timeout_seconds=settings.outbox_append_seconds)
        stack.push_async_callback(publisher.close)
        relay = Relay(database, publisher, metrics, settings)
        relay.start()
        stack.push_async_callback(relay.stop)

        def committed(kinds: Sequence[str]) -> None:
            metrics.committed(kinds)
            relay.wake()

        units = UnitsOfWork(database, clock, committed)
        app = create_app(
            "rooms",
            settings,
            routers=ROUTERS,
            health=Health({"database": database.ping, "log": log.ping}),
            registry=registry,
        )
        secure(app, Verifiers.asking(auth, issuer=settings.issuer))
        open_desk(
            app,
            Desk(
                directory=Directory(units, settings),
                lobby=Lobby(units, settings),
                members=Members(units, settings),
                invitations=Invitations(units, settings),
                doorkeeper=Doorkeeper(units),
            ),
        )
        yield app
