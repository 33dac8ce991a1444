"""Builds rooms: the only place that chooses adapters."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from madang_common.clock import Clock
from madang_common.health import Health
from madang_common.http.app import create_app
from madang_common.http.backends import open_backends
from madang_common.http.security import secure
from madang_common.log import verification
from madang_common.log.opening import open_epoch, open_existing_log, open_log
from madang_common.log.port import Log, OlderLogs
from madang_common.log.publisher import Publisher
from madang_common.metrics import LogMetrics
from madang_common.server import Served
from madang_common.settings import CannotStart
from madang_common.token_bucket import Rate
from madang_common.tokens.revocations import follow_revocations
from madang_rooms.api import ROUTERS
from madang_rooms.api.accounts import router as accounts_router
from madang_rooms.api.dependencies import Services, provide_services
from madang_rooms.metrics import RoomsMetrics
from madang_rooms.outbox.commit_hook import CommitHook
from madang_rooms.outbox.relay import Relay
from madang_rooms.recovery.recovery import Recovery
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
from madang_rooms.storage.mysql import wait as wait_for_mysql
from madang_rooms.storage.sqlite import open_sqlite
from madang_rooms.storage.unit_of_work import AfterCommit, UnitOfWorkRunner

FILE = Path("rooms") / "rooms.db"
"""Path of the embedded database in the data folder."""
_RECOVERY_IDLE_SECONDS = 28_800
_LOCK_TRIES = 30
"""Attempts of a second each to get the lock of the outbox."""


@asynccontextmanager
async def build(
    settings: RoomsSettings,
    *,
    log: Log,
    verify_log: bool = False,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock = time.time,
) -> AsyncIterator[FastAPI]:
    """Run rooms on `log` and yield its app.

    With `verify_log` the outbox waits until history has confirmed that `log` is the current one; in
    one process they use the same. `transport` replaces the network to the other services;
    `app.state.tasks` are the background tasks.
    """
    registry = CollectorRegistry()
    metrics = RoomsMetrics(registry, clock)
    async with AsyncExitStack() as stack:
        backends = await stack.enter_async_context(
            open_backends(settings, service="rooms", transport=transport)
        )
        database = await _open_database(settings, stack)
        guarded, background_tasks = await verification.guard(
            stack,
            log,
            LogMetrics(registry, "rooms"),
            service="rooms",
            history=backends.history if verify_log else None,
            reads=False,  # its user may not read the log
        )
        relay = _relay(settings, database, guarded, metrics, stack)
        hook = CommitHook(relay, metrics, wait_seconds=settings.outbox_answer_seconds)
        units = _units(settings, database, hook, clock)
        ownership = OwnershipReconciler(units)
        stack.push_async_callback(ownership.stop)
        services = _services(settings, units, ownership, metrics)
        relaying = relay.start()
        ownership.start(settings.ownership_sweep_seconds)
        await stack.enter_async_context(
            follow_revocations(
                "rooms", settings, backends.verifiers.users, auth=backends.auth, registry=registry
            )
        )
        app = create_app(
            "rooms",
            settings,
            routers=ROUTERS,
            # Without the log, changes are stored and their events wait in the outbox.
            health=Health({"database": database.ping}, optional={"log": guarded.ping}),
            registry=registry,
        )
        secure(app, backends.verifiers)
        provide_services(app, services)
        app.state.tasks = [relaying, *background_tasks]
        yield app


@asynccontextmanager
async def build_accounts(
    settings: RoomsSettings, *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[FastAPI]:
    """Run only the endpoints for auth, and yield their app.

    The events of changes stay in the outbox until a process that serves publishes them.
    """
    registry = CollectorRegistry()
    metrics = RoomsMetrics(registry, time.time)
    async with AsyncExitStack() as stack:
        backends = await stack.enter_async_context(
            open_backends(settings, service="rooms", transport=transport)
        )
        database = await _open_database(settings, stack)
        units = _units(settings, database, _leave_in_outbox, time.time)
        services = _services(settings, units, OwnershipReconciler(units), metrics)
        app = create_app(
            "rooms",
            settings,
            routers=(accounts_router,),
            health=Health({"database": database.ping}),
            registry=registry,
        )
        secure(app, backends.verifiers)
        provide_services(app, services)
        yield app


@asynccontextmanager
async def serve(settings: RoomsSettings) -> AsyncIterator[Served]:
    """Run rooms on RabbitMQ and MySQL, in a process of its own."""
    settings.require_amqp()
    settings.require_database()
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_log(settings, service="rooms"))
        app = await stack.enter_async_context(build(settings, log=log, verify_log=True))
        yield Served(app, tasks=app.state.tasks)


@asynccontextmanager
async def open_recovery(
    settings: RoomsSettings, *, log: Log, older_logs: OlderLogs, clock: Clock = time.time
) -> AsyncIterator[Recovery]:
    """Yield the comparison of the database with `log`, while no replica publishes to it.

    Raise CannotStart if a replica keeps publishing.
    """
    # The connection that holds the lock is idle while the log is read.
    patient = settings.model_copy(update={"database_idle_seconds": _RECOVERY_IDLE_SECONDS})
    async with AsyncExitStack() as stack:
        database = await _open_database(patient, stack)
        locked = await stack.enter_async_context(_lock_outbox(database))
        yield Recovery(
            _units(patient, locked, _leave_in_outbox, clock),
            log,
            settings,
            older_logs=older_logs,
            snapshots=_units(patient, database, _leave_in_outbox, clock),
        )


@asynccontextmanager
async def open_recovery_on_servers(settings: RoomsSettings) -> AsyncIterator[Recovery]:
    """Yield the comparison of MySQL with the log in RabbitMQ."""
    settings.require_database()
    async with (
        open_existing_log(settings, service="rooms compare") as log,
        open_recovery(
            settings, log=log, older_logs=partial(open_epoch, settings, service="rooms compare")
        ) as recovery,
    ):
        yield recovery


async def migrate(settings: RoomsSettings, revision: str) -> None:
    """Migrate the schema in MySQL to `revision`; raise CannotStart if that fails."""
    await migrate_mysql(
        settings.require_database(),
        start_seconds=settings.start_seconds,
        revision=revision,
    )


async def wait_for_schema(settings: RoomsSettings, seconds: float) -> None:
    """Wait for this version's schema in MySQL; raise CannotStart after `seconds`."""
    await wait_for_mysql(settings.require_database(), seconds=seconds)


@asynccontextmanager
async def _lock_outbox(database: Database) -> AsyncIterator[Database]:
    for _ in range(_LOCK_TRIES):
        async with database.lock_outbox() as locked:
            if locked is not None:
                yield locked
                return
    raise CannotStart("a replica of rooms keeps publishing; stop rooms and run this again")


async def _leave_in_outbox(_kinds: Sequence[str]) -> None:
    """Do nothing after a commit."""


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
    if settings.database is None:
        path = settings.data_dir / FILE
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        database = await open_sqlite(path, wait_seconds=settings.database_wait_seconds)
    else:
        database = await open_mysql(
            settings.database,
            Limits(
                pool_size=settings.database_pool_size,
                wait_seconds=settings.database_wait_seconds,
                lock_seconds=settings.database_lock_seconds,
                statement_seconds=settings.database_statement_seconds,
                idle_seconds=settings.database_idle_seconds,
                start_seconds=settings.start_seconds,
            ),
        )
    stack.push_async_callback(database.close)
    return database
