"""Faults that only a database server has, and how rooms handles them."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from madang_common.problems import NotFound, Unavailable
from madang_common.settings import CannotStart
from madang_rooms.endpoint import MySqlEndpoint
from madang_rooms.services.ownership import OwnershipReconciler
from madang_rooms.services.users import Users
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage import mysql
from madang_rooms.storage.database import Database, OutcomeUnknown
from madang_rooms.storage.models import User
from madang_rooms.storage.schema import WrongRevision
from madang_rooms.storage.unit_of_work import UnitOfWork, UnitOfWorkRunner
from stack.servers.sql import SqlServer
from tests.support.databases import LIMITS, MySqlPlace, place_on

SETTINGS = RoomsSettings(environment="development")
MINE = text("SELECT CONNECTION_ID()")
USERS = text("SELECT count(*) FROM users")


@pytest.fixture
def empty_place(server: SqlServer) -> Iterator[MySqlPlace]:
    with place_on(server, migrated=False) as made:
        yield made


def units_on(database: Database, retry_seconds: float = 20) -> UnitOfWorkRunner:
    return UnitOfWorkRunner(
        database, lambda: 1.0, lambda _: asyncio.sleep(0), retry_seconds=retry_seconds
    )


def users_on(units: UnitOfWorkRunner) -> Users:
    return Users(units, OwnershipReconciler(units), SETTINGS)


async def person(database: Database, username: str) -> str:
    return (await users_on(units_on(database)).add(username, "$argon2id$x", "0")).id


async def name_of(database: Database, user: str) -> str:
    return (await users_on(units_on(database)).get(user)).display_name


def session_of(unit: UnitOfWork) -> AsyncSession:
    return unit.users._session


async def count_up(unit: UnitOfWork, user: str) -> None:
    locked = (await unit.users.lock(user))[user]
    locked.display_name = str(int(locked.display_name) + 1)


async def test_a_service_does_not_start_on_another_schema(empty_place: MySqlPlace) -> None:
    with pytest.raises(WrongRevision, match=r"revision None.*madang-rooms migrate"):
        await empty_place.open_replica()

    await empty_place.migrate()
    async with empty_place.replica() as database:
        await database.ping()


async def test_a_migration_that_was_killed_is_gone_on_with(empty_place: MySqlPlace) -> None:
    await empty_place.migrate()
    made = await columns_of(empty_place)
    await empty_place.ask(
        "DELETE FROM alembic_version",
        "DROP TABLE outbox",
        "DROP INDEX ix_rooms_visibility_id ON rooms",
    )

    await empty_place.migrate()

    assert await columns_of(empty_place) == made
    async with empty_place.replica() as database:
        await database.ping()


async def columns_of(place: MySqlPlace) -> set[tuple[object, ...]]:
    return set(
        await place.ask(
            "SELECT table_name, index_name, column_name, seq_in_index FROM"
            " information_schema.statistics WHERE table_schema = DATABASE()"
        )
    )


async def test_of_two_migrations_at_once_one_waits(empty_place: MySqlPlace) -> None:
    await asyncio.gather(*(empty_place.migrate() for _ in range(4)))

    async with empty_place.replica() as database:
        await database.ping()


async def test_every_table_is_innodb_and_every_name_utf8mb4(place: MySqlPlace) -> None:
    tables = await place.ask(
        "SELECT DISTINCT engine, table_collation FROM information_schema.tables"
        " WHERE table_schema = DATABASE() AND table_name <> 'alembic_version'"
    )
    columns = await place.ask(
        "SELECT DISTINCT collation_name FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name <> 'alembic_version'"
        " AND collation_name IS NOT NULL"
    )

    assert tables == [("InnoDB", "utf8mb4_bin")]
    assert columns == [("utf8mb4_bin",)]


async def test_what_a_column_cannot_hold_is_refused_whatever_the_servers_mode(
    place: MySqlPlace,
) -> None:
    async with place.replica() as database:
        async with database.writing() as session:
            mode = await session.scalar(text("SELECT @@SESSION.sql_mode"))
        with pytest.raises(Exception, match="Data too long"):
            await person(database, "a" * 40)

    assert "STRICT_ALL_TABLES" in str(mode)  # the server's own is STRICT_TRANS_TABLES


async def test_the_loser_of_a_deadlock_runs_again(databases: tuple[Database, Database]) -> None:
    one, other = databases
    nari, dae = await person(one, "nari"), await person(one, "dae")
    tries: list[str] = []
    both_hold = asyncio.Barrier(2)

    async def count_both(unit: UnitOfWork, first: str, second: str) -> None:
        tries.append(first)
        await count_up(unit, first)
        await session_of(unit).flush()
        if tries.count(first) == 1:
            await both_hold.wait()  # now each holds what the other wants
        await count_up(unit, second)

    await asyncio.gather(
        units_on(one).write(lambda unit: count_both(unit, nari, dae)),
        units_on(other).write(lambda unit: count_both(unit, dae, nari)),
    )

    assert len(tries) == 3
    assert [await name_of(one, user) for user in (nari, dae)] == ["2", "2"]


async def test_a_lock_that_takes_too_long_lets_the_unit_begin_anew(place: MySqlPlace) -> None:
    impatient = MySqlPlace(place.url, replace(LIMITS, lock_seconds=1))
    tries = 0
    async with place.replica() as one, impatient.replica() as other:
        nari = await person(one, "nari")
        held, tried_again = asyncio.Event(), asyncio.Event()

        async def hold(unit: UnitOfWork) -> None:
            await count_up(unit, nari)
            await session_of(unit).flush()
            held.set()
            await tried_again.wait()

        async def count(unit: UnitOfWork) -> None:
            nonlocal tries
            tries += 1
            if tries == 2:
                tried_again.set()
            await count_up(unit, nari)

        holding = asyncio.create_task(units_on(one).write(hold))
        await held.wait()
        await units_on(other).write(count)
        await holding

        assert tries == 2
        assert await name_of(one, nari) == "2"


async def test_a_unit_whose_connection_is_lost_runs_again(
    place: MySqlPlace, databases: tuple[Database, Database]
) -> None:
    one, other = databases
    nari = await person(one, "nari")
    tries = 0

    async def count(unit: UnitOfWork) -> None:
        nonlocal tries
        tries += 1
        await count_up(unit, nari)
        await session_of(unit).flush()
        if tries == 1:
            await kill_mine(place, unit)
        await count_up(unit, nari)

    await units_on(one).write(count)

    assert tries == 2
    assert await name_of(other, nari) == "2"


async def test_a_unit_whose_connection_is_lost_while_it_commits_does_not_run_again(
    place: MySqlPlace, databases: tuple[Database, Database]
) -> None:
    one, other = databases
    nari = await person(one, "nari")
    tries = 0

    async def count(unit: UnitOfWork) -> None:
        nonlocal tries
        tries += 1
        await count_up(unit, nari)
        await session_of(unit).flush()
        await kill_mine(place, unit)

    with pytest.raises(OutcomeUnknown, match="may or may not"):
        await units_on(one).write(count)

    assert tries == 1
    assert await name_of(other, nari) == "0"


async def kill_mine(place: MySqlPlace, unit: UnitOfWork) -> None:
    """End the connection of `unit`, and return when the server has let go of it."""
    mine = await session_of(unit).scalar(MINE)
    await place.ask(f"KILL {mine}")
    gone = f"SELECT 1 FROM information_schema.processlist WHERE id = {mine}"
    while await place.ask(gone):  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0.01)


async def end_idle_connections(place: MySqlPlace, database: Database) -> None:
    """Let the server end the connections that wait in the pools of `database`."""
    mine: list[object] = []
    for opened in (database.reading, database.writing):
        async with opened() as session:
            mine.append(await session.scalar(MINE))
    for connection in mine:
        await place.ask(f"KILL {connection}")


async def test_connections_that_the_server_ended_while_idle_are_not_used(
    place: MySqlPlace, databases: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "_PING_SECONDS", 0)
    one, other = databases
    nari = await person(one, "nari")
    await end_idle_connections(place, one)

    assert await name_of(one, nari) == "0"
    await units_on(one, retry_seconds=0).write(lambda unit: count_up(unit, nari))

    assert await name_of(other, nari) == "1"


async def test_units_on_connections_that_were_lost_moments_ago_run_again(
    place: MySqlPlace, databases: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "_PING_SECONDS", 3600)
    one, other = databases
    nari = await person(one, "nari")
    await end_idle_connections(place, one)

    assert await name_of(one, nari) == "0"
    await units_on(one).write(lambda unit: count_up(unit, nari))

    assert await name_of(other, nari) == "1"


async def test_queries_on_connections_that_were_lost_moments_ago_run_again(
    place: MySqlPlace, databases: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "_PING_SECONDS", 3600)
    one, _ = databases
    await person(one, "nari")
    await end_idle_connections(place, one)

    assert await units_on(one).query(lambda connection: connection.scalar(USERS)) == 1


@pytest.mark.parametrize("fails", [False, True])
async def test_a_read_leaves_no_transaction_to_the_query_that_gets_its_connection(
    place: MySqlPlace, databases: tuple[Database, Database], *, fails: bool
) -> None:
    small = MySqlPlace(place.url, replace(LIMITS, pool_size=1))
    async with small.replica() as database:

        async def read() -> None:
            async with database.reading() as session:
                assert await session.scalar(USERS) == 0
                if fails:
                    raise NotFound

        with nullcontext() if not fails else pytest.raises(NotFound):
            await read()
        await person(databases[0], "nari")

        assert await database.query(lambda connection: connection.scalar(USERS)) == 1


async def test_the_owner_of_the_outbox_lock_can_query(place: MySqlPlace) -> None:
    async with place.replica() as database, database.lock_outbox() as locked:
        assert locked is not None
        assert await locked.query(lambda connection: connection.scalar(USERS)) == 0


async def ask_slowly(unit: UnitOfWork) -> None:
    await session_of(unit).execute(text("SELECT id FROM users WHERE SLEEP(5) IN (0, 1)"))


async def test_a_statement_that_takes_too_long_is_unavailable(place: MySqlPlace) -> None:
    hasty = MySqlPlace(place.url, replace(LIMITS, statement_seconds=1, lock_seconds=1))
    began = time.monotonic()
    async with hasty.replica() as database:
        await person(database, "nari")
        with pytest.raises(Unavailable):
            await units_on(database).read(ask_slowly)
        await database.ping()
    assert time.monotonic() - began < 5


async def test_more_who_ask_than_connections_wait_and_then_are_refused(place: MySqlPlace) -> None:
    small = MySqlPlace(place.url, replace(LIMITS, pool_size=1, wait_seconds=0.2))
    async with small.replica() as database, database.reading() as session:
        await session.execute(MINE)
        with pytest.raises(Unavailable, match="busy"):
            await name_of(database, "nari")
        with pytest.raises(Unavailable, match="busy"):
            await units_on(database, retry_seconds=0).query(lambda one: one.scalar(MINE))
        # A busy replica stays in rotation: if all left it, nobody would be served.
        await database.ping()


async def test_units_that_are_cancelled_leave_connections_that_answer_what_is_asked(
    databases: tuple[Database, Database],
) -> None:
    one, _ = databases
    wrong: list[tuple[int, object]] = []

    async def ask(number: int) -> None:
        async with one.writing() as session:
            for asked in (number, number + 1):
                query = text(f"SELECT {asked}, REPEAT('x', 5000)")
                answer = (await session.execute(query)).one()[0]
                if answer != asked:
                    wrong.append((asked, answer))

    for round_ in range(20):
        tasks = [asyncio.create_task(ask(1000 * round_ + number)) for number in range(16)]
        await asyncio.sleep(0.001 * (round_ % 7))
        for task in tasks[::2]:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(answer is None for answer in answers[1::2])

    assert wrong == []


async def test_queries_that_are_cancelled_leave_connections_that_answer_what_is_asked(
    databases: tuple[Database, Database],
) -> None:
    one, _ = databases
    wrong: list[tuple[int, object]] = []

    async def ask(number: int) -> None:
        query = text(f"SELECT {number}, REPEAT('x', 5000)")
        answer = await one.query(lambda connection: connection.execute(query).one()[0])
        if answer != number:
            wrong.append((number, answer))

    for round_ in range(20):
        tasks = [asyncio.create_task(ask(1000 * round_ + number)) for number in range(16)]
        await asyncio.sleep(0.001 * (round_ % 7))
        for task in tasks[::2]:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(answer is None for answer in answers[1::2])

    assert wrong == []
    assert await one.query(lambda connection: connection.scalar(USERS)) == 0


async def test_a_secret_does_not_get_into_the_log(
    place: MySqlPlace, capfd: pytest.CaptureFixture[str]
) -> None:
    hasty = MySqlPlace(place.url, replace(LIMITS, lock_seconds=1))
    async with place.replica() as one, hasty.replica() as other:
        again = users_on(units_on(other, retry_seconds=0))

        async def insert_same(unit: UnitOfWork) -> None:
            await unit.users.add(
                User(
                    id="x",
                    username="dae",
                    display_name="x",
                    password_hash="$the-hash$",
                    disabled=False,
                    created_at_ms=0,
                )
            )
            with pytest.raises(Unavailable):
                await again.add("dae", "$the-hash$", "x")

        await units_on(one).write(insert_same)

    told = "".join(capfd.readouterr())
    assert "database_unavailable" in told
    assert "the-hash" not in told
    assert str(make_url(place.url).password) not in told


async def test_the_service_needs_no_more_than_to_read_and_write_rows(
    server: SqlServer, place: MySqlPlace
) -> None:
    name = make_url(place.url).database
    user = f"service_{name}"[:32]
    server.sql(
        f"CREATE USER '{user}'@'%' IDENTIFIED BY 'p@ss/w:rd é';"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO '{user}'@'%';"
    )
    url = make_url(place.url).set(username=user, password="p@ss/w:rd é")
    lesser = MySqlPlace(url.render_as_string(hide_password=False))
    try:
        async with lesser.replica() as database:
            nari = await person(database, "nari")
            await units_on(database).write(lambda unit: count_up(unit, nari))
            async with database.lock_outbox() as turn:
                assert turn is not None
                await turn.ping()
            assert await name_of(database, nari) == "1"
        with pytest.raises(Exception, match="denied"):
            await lesser.migrate("base")
    finally:
        server.sql(f"DROP USER '{user}'@'%'")


async def test_a_database_that_lets_nobody_in_is_told_at_once(place: MySqlPlace) -> None:
    url = make_url(place.url).set(password="wrong").render_as_string(hide_password=False)

    with pytest.raises(CannotStart, match="Access denied") as refused:
        await mysql.open_mysql(MySqlEndpoint.at(url), LIMITS)

    assert "wrong" not in str(refused.value)
