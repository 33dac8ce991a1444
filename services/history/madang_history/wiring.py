"""Builds history; the only place that chooses adapters."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from madang_common import tasks
from madang_common.health import Health, Ping
from madang_common.http.app import create_app
from madang_common.http.backends import open_backends
from madang_common.http.client import ping_service
from madang_common.http.security import secure
from madang_common.log.opening import open_log
from madang_common.log.port import Log
from madang_common.server import Served
from madang_common.settings import CannotStart
from madang_common.tokens.revocations import follow_revocations
from madang_history.api.internal import internal_router
from madang_history.api.messages import messages_router
from madang_history.dead_letters.amqp import AmqpDeadLetters
from madang_history.dead_letters.port import DeadLetters
from madang_history.dead_letters.sqlite import SqliteDeadLetters
from madang_history.ingest.ingest import Ingest, check_log
from madang_history.leases.mongo import MongoLeases
from madang_history.leases.port import Leases
from madang_history.leases.single_replica import SingleReplicaLeases
from madang_history.metrics import HistoryMetrics
from madang_history.settings import HistorySettings
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.mongo_client import connected
from madang_history.store.port import MessageStore, StoreError
from madang_history.store.sqlite import SqliteMessageStore


@asynccontextmanager
async def build(
    settings: HistorySettings, *, log: Log, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[FastAPI]:
    """Run history on `log` and yield its app.

    `transport` replaces the network to auth and rooms; `app.state.tasks` are the background tasks.
    """
    registry = CollectorRegistry()
    async with AsyncExitStack() as stack:
        backends = await stack.enter_async_context(
            open_backends(settings, service="history", transport=transport)
        )
        store, leases = await _open_store(settings, log.shards, stack)
        await check_log(log, store)
        dead_letters = await stack.enter_async_context(open_dead_letters(settings))
        metrics = HistoryMetrics(registry)
        ingest = Ingest(log, store, dead_letters, leases, metrics, settings, clock=time.time)
        ingesting = tasks.start(stack, "history-ingest", ingest.run())
        pings: dict[str, Ping] = {
            "store": store.ping,
            "log": log.ping,
            "ingest": partial(tasks.ping, ingesting),
            "rooms": partial(ping_service, backends.rooms),
        }
        app = create_app(
            "history",
            settings,
            routers=[
                messages_router(store, backends.rooms, unread_limit=settings.history_unread_limit),
                internal_router(store, log),
            ],
            health=Health(pings),
            registry=registry,
        )
        following = follow_revocations(
            "history",
            settings,
            backends.verifiers.users,
            auth=backends.auth,
            registry=registry,
        )
        await stack.enter_async_context(following)
        secure(app, backends.verifiers)
        app.state.tasks = [ingesting]
        yield app


@asynccontextmanager
async def serve(settings: HistorySettings) -> AsyncIterator[Served]:
    """Run history on RabbitMQ and MongoDB, for a process of its own."""
    settings.required("mongo_url")
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_log(settings, service="history"))
        try:
            app = await stack.enter_async_context(build(settings, log=log))
        except StoreError as error:
            reason = f": {error.__cause__}" if error.__cause__ else ""
            raise CannotStart(f"{error}{reason}") from error
        yield Served(app, tasks=app.state.tasks)


@asynccontextmanager
async def open_dead_letters(settings: HistorySettings) -> AsyncIterator[DeadLetters]:
    """Yield the storage of dead letters; RabbitMQ if the log is there."""
    adapter: DeadLetters
    if settings.amqp_url is None:
        adapter = SqliteDeadLetters(_embedded_file(settings))
    else:
        adapter = AmqpDeadLetters.at(settings.amqp_url.get_secret_value())
    try:
        yield adapter
    finally:
        await adapter.close()


async def _open_store(
    settings: HistorySettings, shards: int, stack: AsyncExitStack
) -> tuple[MessageStore, Leases]:
    """Return the store and its leases."""
    store: MessageStore
    if settings.mongo_url is None:
        store = await SqliteMessageStore.open(_embedded_file(settings), shards)
        stack.push_async_callback(store.close)
        return store, SingleReplicaLeases(shards)
    database = await stack.enter_async_context(
        connected(
            settings.mongo_url,
            settings.mongo_database,
            timeout_seconds=settings.mongo_timeout_seconds,
            connections=settings.mongo_connections,
        )
    )
    store = await MongoMessageStore.open_when_available(database, shards)
    stack.push_async_callback(store.close)
    return store, await MongoLeases.open(database, shards, seconds=settings.history_lease_seconds)


def _embedded_file(settings: HistorySettings) -> Path:
    return settings.data_dir / "history" / "messages.db"
