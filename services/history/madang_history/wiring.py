"""History's parts, put together: the one place that chooses adapters."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from madang_common import background
from madang_common.health import Health
from madang_common.http.app import create_app
from madang_common.http.client import create_client
from madang_common.http.security import secure
from madang_common.log.port import Log
from madang_common.tokens.service import ClientCredentials, ServiceAuth
from madang_common.tokens.verifier import Verifiers
from madang_history.api.internal import internal_router
from madang_history.api.messages import messages_router
from madang_history.ingest import Ingest, check_log
from madang_history.metrics import HistoryMetrics
from madang_history.settings import HistorySettings
from madang_history.store.sqlite import SqliteMessageStore


@asynccontextmanager
async def build(
    settings: HistorySettings, *, log: Log, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[FastAPI]:
    """Yield history's app, with the log flowing into the store as long as it is open."""
    registry = CollectorRegistry()
    async with AsyncExitStack() as stack:
        auth = await stack.enter_async_context(
            create_client(settings.auth_url, transport=transport)
        )
        secret = settings.service_client_secret.get_secret_value()
        credentials = ClientCredentials(auth, name="history", secret=secret)
        rooms = await stack.enter_async_context(
            create_client(settings.rooms_url, auth=ServiceAuth(credentials), transport=transport)
        )
        path = settings.data_dir / "history" / "messages.db"
        store = await SqliteMessageStore.open(path, log.shards)
        stack.push_async_callback(store.close)
        await check_log(log, store)
        ingest = Ingest(log, store, HistoryMetrics(registry), settings, clock=time.time)
        ingesting = asyncio.create_task(ingest.run(), name="history-ingest")
        stack.push_async_callback(background.end, ingesting)

        async def ping_ingest() -> None:
            if ingesting.done():
                raise RuntimeError("ingest has ended")

        async def ping_rooms() -> None:
            (await rooms.get("/health/live", auth=None)).raise_for_status()

        pings = {"store": store.ping, "log": log.ping, "ingest": ping_ingest, "rooms": ping_rooms}
        app = create_app(
            "history",
            settings,
            routers=[
                messages_router(store, rooms, unread_limit=settings.history_unread_limit),
                internal_router(store, log),
            ],
            health=Health(pings),
            registry=registry,
        )
        secure(app, Verifiers.asking(auth, issuer=settings.issuer))
        yield app
