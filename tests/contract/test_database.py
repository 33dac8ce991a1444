"""The contract of the rooms database, with two replicas of the service on it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from madang_common.events.kinds import Role, RoomUpdated, Visibility
from madang_common.problems import Banned, Conflict, Forbidden, Gone, NotFound, Problem, Unavailable
from madang_rooms.services.authorization import lock_room
from madang_rooms.services.bans import Bans
from madang_rooms.services.blocks import Blocks
from madang_rooms.services.invites import Invites
from madang_rooms.services.members import Members
from madang_rooms.services.ownership import OwnershipReconciler
from madang_rooms.services.rooms import Rooms
from madang_rooms.services.users import Users
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.database import Database
from madang_rooms.storage.models import Base, Membership, OutboxRow, Room, User
from madang_rooms.storage.repositories.users import UserStore
from madang_rooms.storage.unit_of_work import UnitOfWork, UnitOfWorkRunner
from tests.support.databases import MySqlPlace, Place, SqlitePlace, place_on

SETTINGS = RoomsSettings(environment="development", room_most_members=5, user_most_rooms=3)


class Replica:
    """One replica of the service, without its doors."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.units = UnitOfWorkRunner(
            database, lambda: 1.0, lambda _: asyncio.sleep(0), retry_seconds=20
        )
        self.users = Users(self.units, OwnershipReconciler(self.units), SETTINGS)
        self.rooms = Rooms(self.units, SETTINGS)
        self.members = Members(self.units, SETTINGS)
        self.bans = Bans(self.units, SETTINGS)
        self.invites = Invites(self.units, SETTINGS)
        self.blocks = Blocks(self.units, SETTINGS)

    async def person(self, username: str, display_name: str = "x") -> str:
        """Register a user."""
        return (await self.users.add(username, "$argon2id$x", display_name)).id

    async def people(self, count: int) -> list[str]:
        """Register some more."""
        return [await self.person(f"person{number}") for number in range(count)]


@pytest.fixture(scope="module")
def on_mariadb(request: pytest.FixtureRequest) -> Iterator[MySqlPlace]:
    with place_on(request.getfixturevalue("mariadb")) as place:
        yield place


@pytest.fixture(scope="module")
def on_mysql(request: pytest.FixtureRequest) -> Iterator[MySqlPlace]:
    with place_on(request.getfixturevalue("mysql")) as place:
        yield place


@pytest.fixture(params=["sqlite", "mariadb", "mysql"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return SqlitePlace(tmp_path / "rooms.db")
    found: MySqlPlace = request.getfixturevalue(f"on_{request.param}")
    return found


@pytest.fixture
async def place(kept: Place) -> Place:
    if isinstance(kept, MySqlPlace):
        await kept.empty()
    else:
        await kept.migrate()
    return kept


@pytest.fixture
async def replicas(place: Place) -> AsyncIterator[tuple[Replica, Replica]]:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(place.replica()) for _ in range(2)]
        yield Replica(one), Replica(other)


async def rows_of(replica: Replica, table: type[Base]) -> int:
    async with replica.database.reading() as session:
        return len((await session.scalars(select(table))).all())


async def test_the_migrations_make_what_the_models_say(place: Place) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    async with place.replica() as database, database.reading() as session:
        assert await (await session.connection()).run_sync(differences) == []


async def test_migrating_again_and_down_and_up_works(place: Place) -> None:
    await place.migrate()
    async with place.replica() as database:
        await Replica(database).person("nari")
    await place.migrate()
    async with place.replica() as database:
        assert await rows_of(Replica(database), User) == 1

    await place.migrate("0002")
    assert await place.ask("SELECT version_num FROM alembic_version") == [("0002",)]
    await place.migrate("base")
    await asyncio.gather(place.migrate(), place.migrate())

    async with place.replica() as database:
        assert await rows_of(Replica(database), User) == 0


async def test_rows_of_the_version_before_are_kept(place: Place) -> None:
    await place.migrate("base")
    await place.migrate("0002")
    await place.ask(
        *(f"INSERT INTO users VALUES ('{user}', '{user}', 'x', 'h', 0, 1)" for user in "abc"),
        "INSERT INTO rooms VALUES ('r', 'yard', 'private', NULL, 2, 'a', 1, NULL)",
        "INSERT INTO memberships VALUES ('r', 'a', 'owner', 1)",
        "INSERT INTO memberships VALUES ('r', 'b', 'member', 1)",
        "INSERT INTO invites VALUES ('one', 'r', 'a', 'c', 1, 1, 9000000000000)",
        "INSERT INTO invites VALUES ('link', 'r', 'a', NULL, 5, 1, 9000000000000)",
        "UPDATE users SET disabled = 1 WHERE id = 'a'",
    )

    await place.migrate()

    async with place.replica() as database:
        replica = Replica(database)
        await OwnershipReconciler(replica.units).reconcile_all()
        assert [
            room.role for room in (await replica.rooms.list_of("b", None, 9, hidden=False)).items
        ] == [Role.OWNER]
        assert (await replica.invites.list("b", "r", None, 9)).items[0].uses_left == 5
        assert (await replica.invites.accept("c", "one")).members == 3
    await place.migrate("base")
    await place.migrate()


async def test_a_reader_sees_one_state_and_cannot_write(
    replicas: tuple[Replica, Replica],
) -> None:
    one, other = replicas
    count = text("SELECT count(*) FROM users")
    async with one.database.reading() as session:
        before = await session.scalar(count)
        await other.person("nari")
        assert await session.scalar(count) == before == 0

    async def write(unit: UnitOfWork) -> None:
        await unit.users.add(
            User(
                id="x",
                username="x",
                display_name="x",
                password_hash="x",
                disabled=False,
                created_at_ms=0,
            )
        )

    with pytest.raises((Unavailable, DBAPIError)):
        await one.units.read(write)
    assert await rows_of(other, User) == 1


async def test_a_query_sees_the_newest_commit_and_cannot_write(
    replicas: tuple[Replica, Replica],
) -> None:
    one, other = replicas
    count = text("SELECT count(*) FROM users")

    def count_twice(connection: Connection) -> list[int]:
        return [connection.scalar(count) or 0 for _ in range(2)]

    assert await one.units.query(count_twice) == [0, 0]
    await other.person("nari")

    assert await one.units.query(count_twice) == [1, 1]
    with pytest.raises((Unavailable, DBAPIError)):
        await one.units.query(lambda connection: connection.execute(text("DELETE FROM users")))
    assert await rows_of(other, User) == 1


async def test_a_unit_that_fails_leaves_nothing(replicas: tuple[Replica, Replica]) -> None:
    one, other = replicas
    nari = await one.person("nari")

    async def fail(unit: UnitOfWork) -> None:
        user = (await unit.users.lock(nari))[nari]
        user.display_name = "changed"
        unit.outbox.to_user(nari, RoomUpdated(name="x"), user)
        raise Gone

    with pytest.raises(Gone):
        await one.units.write(fail)

    assert (await other.users.get(nari)).display_name == "x"
    assert await rows_of(other, OutboxRow) == 0


async def test_names_are_kept_to_the_letter(replicas: tuple[Replica, Replica]) -> None:
    one, other = replicas
    nari = await one.person("nari", "나리 🌸 é ")
    room = await one.rooms.create(nari, "마당 🌸👩‍👩‍👧", Visibility.PUBLIC)
    ete = await one.rooms.create(nari, "Été", Visibility.PUBLIC)
    bbq = await one.rooms.create(nari, "Grill 🍖", Visibility.PUBLIC)

    async def found(query: str) -> list[str]:
        return [item.id for item in (await other.rooms.list_public(nari, query, None, 10)).items]

    assert (await other.users.get(nari)).display_name == "나리 🌸 é "
    assert (await other.rooms.get(nari, room.id)).name == "마당 🌸👩‍👩‍👧"
    assert await found("🌸") == await found("마당") == [room.id]
    assert await found("grill") == await found("GRILL") == await found("🍖") == [bbq.id]
    assert await found("ÉTÉ") == await found("e\u0301te\u0301") == [ete.id]
    assert await found("마닥") == await found("🍺") == await found("%") == []


async def test_usernames_are_one_in_every_byte(replicas: tuple[Replica, Replica]) -> None:
    one, other = replicas
    written = ["nari", "Nari", "nari ", "nari\t", "na_ri", "na%ri", " nari"]
    ids = {name: await one.person(name) for name in written}

    async def find(name: str) -> str | None:
        async with other.database.reading() as session:
            user = await UserStore(session).by_username(name)
            return None if user is None else user.id

    for name, user in ids.items():
        with pytest.raises(Conflict):
            await other.person(name)
        assert await find(name) == user
    for name in ("NARI", "nari  ", "누구", "nari\0"):
        assert await find(name) is None


async def test_users_sort_and_match_by_their_bytes(replicas: tuple[Replica, Replica]) -> None:
    one, other = replicas
    for name in ("a_b", "a_c", "axb", "a.b", "ab-", "b"):
        await one.person(name)

    async def found(prefix: str) -> list[str]:
        return [user.username for user in (await other.users.find_by_prefix(prefix, 10)).items]

    assert await found("a") == ["a.b", "a_b", "a_c", "ab-", "axb"]
    assert await found("a_") == ["a_b", "a_c"]


async def test_an_id_with_something_behind_it_is_another_id(
    replicas: tuple[Replica, Replica],
) -> None:
    one, _ = replicas
    nari = await one.person("nari")
    room = await one.rooms.create(nari, "x", Visibility.PUBLIC)

    for other in (f"{room.id} ", room.id.upper(), "방", f"{room.id}\0"):
        with pytest.raises(Problem, match="no such room"):
            await one.rooms.rename(nari, other, "y")
    async with one.database.reading() as session:
        audiences = set(await session.scalars(select(OutboxRow.audience)))
    assert audiences == {f"rooms.{room.id}", f"users.{nari}"}


async def test_who_waits_for_a_room_then_sees_what_the_other_replica_did(
    replicas: tuple[Replica, Replica],
) -> None:
    one, other = replicas
    nari = await one.person("nari")
    room = (await one.rooms.create(nari, "0", Visibility.PUBLIC)).id
    locked, go_on = asyncio.Event(), asyncio.Event()

    async def first(unit: UnitOfWork) -> None:
        (await lock_room(unit, room)).name = "1"
        locked.set()
        await go_on.wait()

    async def second(unit: UnitOfWork) -> str:
        return (await lock_room(unit, room)).name

    changing = asyncio.create_task(one.units.write(first))
    await locked.wait()
    waiting = asyncio.create_task(other.units.write(second))
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    go_on.set()

    assert not done
    assert await waiting == "1"
    await changing


async def test_a_username_goes_to_one_of_those_who_ask_at_once(
    replicas: tuple[Replica, Replica],
) -> None:
    asked = [replica.person("nari") for replica in replicas * 4]

    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert sum(isinstance(answer, str) for answer in answers) == 1
    assert sum(isinstance(answer, Conflict) for answer in answers) == 7


async def test_a_room_never_has_more_members_than_it_may(
    replicas: tuple[Replica, Replica],
) -> None:
    one, other = replicas
    owner, *crowd = await one.people(13)
    room = (await one.rooms.create(owner, "x", Visibility.PUBLIC)).id

    joined = await asyncio.gather(
        *(replicas[n % 2].members.join(user, room) for n, user in enumerate(crowd)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, Conflict) for answer in joined) == 8
    assert sum(not isinstance(answer, BaseException) for answer in joined) == 4
    assert await rows_of(other, Membership) == 5
    assert (await other.rooms.get(owner, room)).members == 5


async def test_nobody_is_in_a_room_and_banned_from_it(
    replicas: tuple[Replica, Replica],
) -> None:
    nari, *others = await replicas[0].people(5)
    room = (await replicas[0].rooms.create(nari, "x", Visibility.PUBLIC)).id

    async def ban(replica: Replica, user: str) -> None:
        await replica.bans.put(nari, room, user, reason="소란 🙊", seconds=None)

    done = await asyncio.gather(
        *(
            replica.members.join(user, room)
            for user, replica in zip(others, replicas * 2, strict=True)
        ),
        *(ban(replica, user) for replica in replicas for user in others),
        return_exceptions=True,
    )

    assert {type(result) for result in done if isinstance(result, Exception)} <= {Banned}
    assert await rows_of(replicas[1], Membership) == 1
    banned = (await replicas[1].bans.list(nari, room, None, 10)).items
    assert [(one.user.id, one.reason) for one in banned] == [
        (user, "소란 🙊") for user in sorted(others)
    ]


async def test_nobody_is_banned_from_a_room_and_invited_to_it(
    replicas: tuple[Replica, Replica],
) -> None:
    one, other = replicas
    nari, dae, eun = await one.people(3)
    room = (await one.rooms.create(nari, "x", Visibility.PUBLIC)).id
    await one.members.join(dae, room)
    await one.members.change_role(nari, room, dae, Role.MODERATOR)

    await asyncio.gather(
        *(
            replica.invites.create_for_user(dae, room, eun, seconds=None)
            for replica in replicas * 3
        ),
        other.bans.put(nari, room, eun, reason=None, seconds=None),
        return_exceptions=True,
    )

    assert (await one.invites.list(nari, room, None, 9)).items == []
    assert (await one.invites.list_received(eun, None, 9)).items == []


async def test_who_is_disabled_meanwhile_changes_nothing(
    replicas: tuple[Replica, Replica],
) -> None:
    one, other = replicas
    nari = await one.person("nari")
    room = (await one.rooms.create(nari, "0", Visibility.PUBLIC)).id
    disabled, go_on = asyncio.Event(), asyncio.Event()

    async def disable(unit: UnitOfWork) -> None:
        (await unit.users.lock(nari))[nari].disabled = True
        disabled.set()
        await go_on.wait()

    disabling = asyncio.create_task(one.units.write(disable))
    await disabled.wait()
    changes = [
        asyncio.create_task(other.rooms.rename(nari, room, "1")),
        asyncio.create_task(other.invites.create_link(nari, room, seconds=None, uses=1)),
    ]
    done, _ = await asyncio.wait(changes, timeout=0.2)
    go_on.set()
    await disabling

    refused = await asyncio.gather(*changes, return_exceptions=True)
    assert not done
    assert [type(answer) for answer in refused] == [Forbidden, Forbidden]


@pytest.mark.parametrize("_", range(5))
async def test_a_room_has_an_owner_whoever_leaves_while_the_other_is_disabled(
    replicas: tuple[Replica, Replica], _: int
) -> None:
    one, other = replicas
    nari, dae, eun = await one.people(3)
    room = (await one.rooms.create(nari, "x", Visibility.PUBLIC)).id
    for user in (dae, eun):
        await one.members.join(user, room)
    await one.members.change_role(nari, room, dae, Role.OWNER)

    answers = await asyncio.gather(
        one.members.leave(nari, room),
        other.users.set_disabled(dae, disabled=True),
        return_exceptions=True,
    )

    members = (await one.members.list(eun, room, None, 9)).items
    owners = {member.user.id for member in members if member.role is Role.OWNER} - {dae}
    assert answers[1] is None
    assert owners == ({nari} if isinstance(answers[0], Conflict) else {eun})


async def test_two_who_block_each_other_and_invite_each_other_end_with_nothing_to_see(
    replicas: tuple[Replica, Replica],
) -> None:
    one, other = replicas
    nari, dae = await one.people(2)
    rooms = [(await one.rooms.create(user, "x", Visibility.PRIVATE)).id for user in (nari, dae)]

    await asyncio.gather(
        one.invites.create_for_user(nari, rooms[0], dae, seconds=None),
        other.invites.create_for_user(dae, rooms[1], nari, seconds=None),
        one.blocks.put(nari, dae),
        other.blocks.put(dae, nari),
        one.rooms.open_direct(nari, dae),
        other.rooms.open_direct(dae, nari),
    )

    for user in (nari, dae):
        assert (await one.invites.list_received(user, None, 9)).items == []


async def test_what_is_declined_or_taken_back_at_once_is_gone(
    replicas: tuple[Replica, Replica],
) -> None:
    one, other = replicas
    nari, dae = await one.people(2)
    room = (await one.rooms.create(nari, "x", Visibility.PRIVATE)).id
    code = (await one.invites.create_for_user(nari, room, dae, seconds=None)).code

    done = await asyncio.gather(
        *(replica.invites.decline(dae, code) for replica in replicas * 2),
        other.invites.accept(dae, code),
        one.invites.revoke(nari, room, code),
        return_exceptions=True,
    )

    assert {type(result) for result in done if isinstance(result, Exception)} <= {NotFound, Gone}
    assert (await one.invites.list_received(dae, None, 9)).items == []
    assert (await one.invites.list(nari, room, None, 9)).items == []


async def test_a_user_is_never_in_more_rooms_than_they_may(
    replicas: tuple[Replica, Replica],
) -> None:
    one, other = replicas
    nari = await one.person("nari")

    made = await asyncio.gather(
        *(
            replica.rooms.create(nari, str(number), Visibility.PUBLIC)
            for number, replica in enumerate(replicas * 4)
        ),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, Conflict) for answer in made) == 5
    assert await rows_of(other, Room) == 3


async def test_an_invite_is_used_as_often_as_it_may(replicas: tuple[Replica, Replica]) -> None:
    one, other = replicas
    owner, *crowd = await one.people(9)
    room = (await one.rooms.create(owner, "x", Visibility.PRIVATE)).id
    invite = await one.invites.create_link(owner, room, seconds=None, uses=2)

    accepted = await asyncio.gather(
        *(replicas[n % 2].invites.accept(user, invite.code) for n, user in enumerate(crowd)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, Gone) for answer in accepted) == 6
    assert sum(not isinstance(answer, BaseException) for answer in accepted) == 2
    assert await rows_of(other, Membership) == 3


async def test_two_share_one_direct_room_whoever_opens_it(
    replicas: tuple[Replica, Replica],
) -> None:
    one, other = replicas
    nari, dae = await one.people(2)

    opened = await asyncio.gather(
        *(one.rooms.open_direct(nari, dae) for _ in range(4)),
        *(other.rooms.open_direct(dae, nari) for _ in range(4)),
    )

    assert len({room.id for room, _ in opened}) == 1
    assert sum(made for _, made in opened) == 1


async def test_the_outbox_has_an_audience_in_the_order_of_its_commits(
    replicas: tuple[Replica, Replica],
) -> None:
    one, _ = replicas
    nari = await one.person("nari")
    rooms = [(await one.rooms.create(nari, "0", Visibility.PUBLIC)).id for _ in range(3)]

    async def count_up(unit: UnitOfWork, room: str) -> None:
        locked = await lock_room(unit, room)
        user = await unit.users.get(nari)
        assert user is not None
        for _ in range(2):
            locked.name = str(int(locked.name) + 1)
            unit.outbox.to_room(room, RoomUpdated(name=locked.name), user)

    async def work(replica: Replica, room: str) -> None:
        for _ in range(5):
            await replica.units.write(lambda unit: count_up(unit, room))

    await asyncio.gather(*(work(replica, room) for replica in replicas * 2 for room in rooms))

    async with one.database.reading() as session:
        rows = (await session.scalars(select(OutboxRow).order_by(OutboxRow.id))).all()
    for room in rooms:
        lines = [row.line for row in rows if row.audience == f"rooms.{room}"]
        assert [b'"room.updated"' in line for line in lines] == [False] * 2 + [True] * 40
        for number, line in enumerate(lines[2:], start=1):
            assert b'"name":"%d"' % number in line
