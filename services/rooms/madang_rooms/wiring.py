"""Builds the rooms service: the only place that chooses adapters."""

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
from madang_common.http.backends import open_backends
from madang_common.http.security import secure
from madang_common.log.opening import open_log
from madang_common.log.port import Log
from madang_common.log.publisher import Publisher
from madang_common.server import Served
from madang_common.token_bucket import Rate
from madang_common.tokens.revocations import follow_revocations
from madang_rooms.api import ROUTERS
from madang_rooms.api.accounts import router as accounts_router
from madang_rooms.api.dependencies import Services, provide_services
from madang_rooms.metrics import RoomsMetrics
from madang_rooms.outbox.commit_hook import CommitHook
from madang_rooms.outbox.relay import Relay
from madang_rooms.services.access import AccessChecker
from madang_rooms.services.bans import Bans
from madang_rooms.services.blocks import Blocks
from madang_rooms.services.change_limit import ChangeLimit
from madang_rooms.services.invites import Invites
from madang_rooms.services.members import Members
from madang_rooms.services.ownership import OwnershipReconciler
from madang_rooms.services.rooms import Rooms
from madang_rooms.services.users import Users
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.database import Database
from madang_rooms.storage.mysql import Limits, open_mysql
from madang_rooms.storage.mysql import migrate as migrate_mysql
from madang_rooms.storage.sqlite import open_sqlite
from madang_rooms.storage.unit_of_work import AfterCommit, UnitOfWorkRunner

FILE = Path("rooms") / "rooms.db"
"""Path of the embedded database in the data folder."""


@asynccontextmanager
async def build(
    settings: RoomsSettings,
    *,
    log: Log,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock = time.time,
) -> AsyncIterator[FastAPI]:
    """Start the service on `log`, which the caller closes.

    `app.state.tasks` are the tasks that must not end.
    """
    metrics = RoomsMetrics(registry := CollectorRegistry(), clock)
    async with AsyncExitStack() as stack:
        database = await _open_database(settings, stack)
        relay = _relay(settings, database, log, metrics, stack)
        publishing = relay.start()
        hook = CommitHook(relay, metrics, wait_seconds=settings.outbox_answer_seconds)
        units = _units(settings, database, hook, clock)
        ownership = OwnershipReconciler(units)
        backends = await stack.enter_async_context(
            open_backends(settings, service="rooms", transport=transport)
        )
        verifiers = backends.verifiers
        following = follow_revocations(
            "rooms", settings, verifiers.users, auth=backends.auth, registry=registry
        )
        await stack.enter_async_context(following)
        app = create_app(
            "rooms",
            settings,
            routers=ROUTERS,
            health=Health({"database": database.ping, "log": log.ping}),
            registry=registry,
        )
        secure(app, verifiers)
        provide_services(app, _services(settings, units, ownership, metrics))
        stack.push_async_callback(ownership.stop)
        ownership.start(settings.ownership_sweep_seconds)
        app.state.tasks = [publishing]
        yield app


@asynccontextmanager
async def build_accounts(
    settings: RoomsSettings, *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[FastAPI]:
    """Start only the endpoints for auth, beside a process that serves and publishes the outbox."""
    metrics = RoomsMetrics(registry := CollectorRegistry(), time.time)

    async def leave_to_the_other_process(_: Sequence[str]) -> None:
        return

    async with AsyncExitStack() as stack:
        database = await _open_database(settings, stack)
        units = _units(settings, database, leave_to_the_other_process, time.time)
        backends = await stack.enter_async_context(
            open_backends(settings, service="rooms", transport=transport)
        )
        app = create_app(
            "rooms",
            settings,
            routers=(accounts_router,),
            health=Health({"database": database.ping}),
            registry=registry,
        )
        secure(app, backends.verifiers)
        provide_services(app, _services(settings, units, OwnershipReconciler(units), metrics))
        yield app


@asynccontextmanager
async def serve(settings: RoomsSettings) -> AsyncIterator[Served]:
    """Start the service on RabbitMQ and MySQL, for a process of its own."""
    settings.required("amqp_url")
    settings.required("database_url")
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_log(settings, service="rooms"))
        app = await stack.enter_async_context(build(settings, log=log))
        yield Served(app, tasks=app.state.tasks)


async def migrate(settings: RoomsSettings, revision: str) -> None:
    """Migrate the schema in MySQL to `revision`; raise CannotStart if that fails."""
    await migrate_mysql(
        settings.required("database_url"),
        start_seconds=settings.database_start_seconds,
        revision=revision,
    )


def _relay(
    settings: RoomsSettings,
    database: Database,
    log: Log,
    metrics: RoomsMetrics,
    stack: AsyncExitStack,
) -> Relay:
    publisher = Publisher(log, timeout_seconds=settings.outbox_append_seconds)
    stack.push_async_callback(publisher.close)
    relay = Relay(database, publisher, metrics, settings)
    stack.push_async_callback(relay.stop)
    return relay


def _units(
    settings: RoomsSettings, database: Database, after_commit: AfterCommit, clock: Clock
) -> UnitOfWorkRunner:
    return UnitOfWorkRunner(
        database, clock, after_commit, retry_seconds=settings.database_wait_seconds
    )


def _services(
    settings: RoomsSettings,
    units: UnitOfWorkRunner,
    ownership: OwnershipReconciler,
    metrics: RoomsMetrics,
) -> Services:
    rate = Rate(settings.user_changes_per_second, settings.user_changes_burst)
    return Services(
        users=Users(units, ownership, settings),
        rooms=Rooms(units, settings),
        members=Members(units, settings),
        bans=Bans(units, settings),
        invites=Invites(units, settings),
        blocks=Blocks(units, settings),
        access=AccessChecker(units),
        change_limit=ChangeLimit(rate, metrics),
    )


async def _open_database(settings: RoomsSettings, stack: AsyncExitStack) -> Database:
    """Open MySQL, which must be migrated, or the embedded database, which migrates itself."""
    if settings.database_url is None:
        path = settings.data_dir / FILE
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        database = await open_sqlite(path, wait_seconds=settings.database_wait_seconds)
    else:
        database = await open_mysql(
            settings.database_url.get_secret_value(),
            Limits(
                pool_size=settings.database_pool_size,
                wait_seconds=settings.database_wait_seconds,
                lock_seconds=settings.database_lock_seconds,
                statement_seconds=settings.database_statement_seconds,
                idle_seconds=settings.database_idle_seconds,
                start_seconds=settings.database_start_seconds,
            ),
        )
    stack.push_async_callback(database.close)
    return database
