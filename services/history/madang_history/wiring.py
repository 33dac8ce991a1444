"""Builds history: the only place that chooses adapters."""

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from madang_common import tasks
from madang_common.health import Health
from madang_common.http.app import create_app
from madang_common.http.backends import open_backends
from madang_common.http.client import ping_service
from madang_common.http.security import secure
from madang_common.log import verification
from madang_common.log.opening import open_epoch, open_existing_log, open_log
from madang_common.log.port import Log, OlderLogs
from madang_common.metrics import LogMetrics
from madang_common.server import Served
from madang_common.settings import CannotStart
from madang_common.tokens.revocations import follow_revocations
from madang_history.api.events import events_router
from madang_history.api.internal import internal_router
from madang_history.api.messages import messages_router
from madang_history.api.reading import Readers
from madang_history.dead_letters.amqp import AmqpDeadLetters
from madang_history.dead_letters.port import DeadLetters, DeadLettersUnavailable
from madang_history.dead_letters.sqlite import SqliteDeadLetters
from madang_history.ingest.epoch import IngestPorts, OpenLeases
from madang_history.ingest.ingest import Ingest
from madang_history.leases.mongo import MongoLeases
from madang_history.leases.port import Leases
from madang_history.leases.single_replica import SingleReplicaLeases
from madang_history.metrics import HistoryMetrics
from madang_history.settings import HistorySettings
from madang_history.store.coverage import Coverage
from madang_history.store.epochs import check_epoch, check_log
from madang_history.store.migration import Migration
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.mongo_client import Database, connected
from madang_history.store.mongo_progress import MongoProgress
from madang_history.store.port import Epoch, MessageStore, ProgressStore, StoreError
from madang_history.store.sqlite import SqliteMessageStore
from madang_history.store.sqlite_progress import SqliteProgress

_LAG_SECONDS = 5.0
"""Longest lag of a replica of a stream behind another one."""


@asynccontextmanager
async def build(
    settings: HistorySettings,
    *,
    log: Log,
    older_logs: OlderLogs,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[FastAPI]:
    """Run history on `log` and yield its app.

    `older_logs` opens the log of an earlier epoch, to store what is missing of it. `transport`
    replaces the network to auth and rooms; `app.state.tasks` are the background tasks.
    """
    registry = CollectorRegistry()
    metrics = HistoryMetrics(registry)
    async with AsyncExitStack() as stack:
        backends = await stack.enter_async_context(
            open_backends(settings, service="history", transport=transport)
        )
        store, open_leases = await _open_stores(settings, Epoch(log.epoch, log.shards), stack)
        dead_letters = await stack.enter_async_context(open_dead_letters(settings))
        await check_log(log, store, lag_seconds=_LAG_SECONDS)
        guarded, watching = await verification.guard(
            stack, log, LogMetrics(registry, "history"), service="history"
        )
        ports = IngestPorts(store, dead_letters, open_leases, metrics, settings, clock=time.time)
        ingest = Ingest(guarded, ports, older_logs=older_logs)
        ingesting = tasks.start(stack, "history-ingest", ingest.run())
        await stack.enter_async_context(
            follow_revocations(
                "history", settings, backends.verifiers.users, auth=backends.auth, registry=registry
            )
        )
        coverage = Coverage(store)
        readers = Readers(coverage, backends.rooms)
        app = create_app(
            "history",
            settings,
            routers=[
                messages_router(store, readers, unread_limit=settings.history_unread_limit),
                events_router(store, readers),
                internal_router(store, coverage, guarded),
            ],
            health=Health(
                {"store": store.ping, "ingest": partial(tasks.ping, ingesting)},
                # Stored messages are readable without the log; gateways replay without rooms.
                optional={"log": guarded.ping, "rooms": partial(ping_service, backends.rooms)},
            ),
            registry=registry,
        )
        secure(app, backends.verifiers)
        app.state.tasks = [ingesting, *watching]
        yield app


@asynccontextmanager
async def serve(settings: HistorySettings) -> AsyncIterator[Served]:
    """Run history on RabbitMQ and MongoDB, in a process of its own."""
    settings.require_mongo()
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_log(settings, service="history"))
        try:
            older_logs = partial(open_epoch, settings, service="history")
            app = await stack.enter_async_context(build(settings, log=log, older_logs=older_logs))
        except StoreError as error:
            reason = f": {error.__cause__}" if error.__cause__ else ""
            raise CannotStart(f"{error}{reason}") from error
        yield Served(app, tasks=app.state.tasks)


@asynccontextmanager
async def open_dead_letters(settings: HistorySettings) -> AsyncIterator[DeadLetters]:
    """Yield the storage of dead letters: RabbitMQ if the log is in it, else the embedded file.

    Raise DeadLettersUnavailable if there is no such file.
    """
    adapter: DeadLetters
    if settings.amqp is None:
        file = _embedded_file(settings)
        if not file.exists():  # a command in the wrong folder must not begin a store there
            raise DeadLettersUnavailable(f"{file} does not exist; set MADANG_DATA_DIR")
        adapter = SqliteDeadLetters(file)
    else:
        adapter = AmqpDeadLetters.at(settings.amqp)
    try:
        yield adapter
    finally:
        await adapter.close()


@asynccontextmanager
async def open_to_verify(
    settings: HistorySettings, *, log: Log, older_logs: OlderLogs
) -> AsyncIterator[tuple[Log, OlderLogs, MessageStore]]:
    """Yield what `verify` compares: `log`, `older_logs`, and the store.

    Raise CannotStart if history has not entered the epoch of `log`, or has more than `log`.
    """
    current = Epoch(log.epoch, log.shards)
    async with open_progress(settings) as progress:
        if check_epoch(await progress.epochs(), current):
            raise CannotStart(
                f"history has stored nothing in epoch {current.number} of the log; set"
                " MADANG_LOG_EPOCH as history has it"
            )
        await check_log(log, progress, lag_seconds=_LAG_SECONDS)
    async with AsyncExitStack() as stack:
        store, _ = await _open_stores(settings, current, stack)
        yield log, older_logs, store


async def check_embedded_epoch(settings: HistorySettings) -> None:
    """Raise StoreMismatch if the embedded store refuses the epoch in `settings`; enter none."""
    if _embedded_file(settings).exists():
        async with open_progress(settings) as progress:
            check_epoch(await progress.epochs(), Epoch(settings.log_epoch, settings.log_shards))


async def check_embedded_log(settings: HistorySettings, log: Log) -> None:
    """Raise StoreMismatch if the embedded store has more than `log`."""
    if _embedded_file(settings).exists():
        async with open_progress(settings) as progress:
            await check_log(log, progress)


@asynccontextmanager
async def open_to_verify_on_servers(
    settings: HistorySettings,
) -> AsyncIterator[tuple[Log, OlderLogs, MessageStore]]:
    """Yield the log in RabbitMQ and the store in MongoDB."""
    settings.require_mongo()
    older_logs = partial(open_epoch, settings, service="history verify")
    async with (
        open_existing_log(settings, service="history verify") as log,
        open_to_verify(settings, log=log, older_logs=older_logs) as sources,
    ):
        yield sources


@asynccontextmanager
async def open_migration(settings: HistorySettings) -> AsyncIterator[Migration]:
    """Yield the migration of the store in MongoDB; the embedded one migrates when it is opened."""
    settings.require_mongo()
    async with _one_connection(settings) as database:
        yield Migration(database)


@asynccontextmanager
async def open_progress(settings: HistorySettings) -> AsyncIterator[ProgressStore]:
    """Yield what is stored about the log, to read, whatever the epoch in `settings` is."""
    current = Epoch(settings.log_epoch, settings.log_shards)
    if settings.mongo is not None:
        async with _one_connection(settings) as database:
            yield MongoProgress(database, current)
        return
    store = await SqliteProgress.open_existing(_embedded_file(settings), current)
    try:
        yield store
    finally:
        await store.close()


def _one_connection(settings: HistorySettings) -> AbstractAsyncContextManager[Database]:
    """Return the context of a command's connection to MongoDB."""
    return connected(
        settings.require_mongo(),
        settings.mongo_database,
        timeout_seconds=settings.mongo_timeout_seconds,
        connections=1,
    )


async def _open_stores(
    settings: HistorySettings, current: Epoch, stack: AsyncExitStack
) -> tuple[MessageStore, OpenLeases]:
    """Return the message store, and the function that opens the leases on an epoch's shards."""
    store: MessageStore
    if settings.mongo is None:
        store = await SqliteMessageStore.open(
            _embedded_file(settings), current.shards, epoch=current.number
        )
        stack.push_async_callback(store.close)
        return store, _embedded_leases
    client = partial(
        connected,
        settings.mongo,
        settings.mongo_database,
        timeout_seconds=settings.mongo_timeout_seconds,
    )
    database = await stack.enter_async_context(client(connections=settings.mongo_connections))
    # Requests may use all connections of a busy replica, which is still ready.
    health = await stack.enter_async_context(client(connections=1))
    store = await MongoMessageStore.open_when_available(
        database,
        current.shards,
        epoch=current.number,
        health=health,
        start_seconds=settings.start_seconds,
    )
    stack.push_async_callback(store.close)

    async def open_leases(epoch: Epoch) -> Leases:
        return await MongoLeases.open(
            database, epoch.shards, epoch=epoch.number, seconds=settings.history_lease_seconds
        )

    return store, open_leases


async def _embedded_leases(epoch: Epoch) -> Leases:
    return SingleReplicaLeases(epoch.shards)


def _embedded_file(settings: HistorySettings) -> Path:
    return settings.data_dir / "history" / "messages.db"
