"""Whatever happened after a copy of the database was made, its repair brings that back.

Chance draws what people do. Somewhere in between, the database is copied; at the end the copy is
restored and repaired from the log, and must be what the database was.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from sqlalchemy import delete, insert, select

from madang_common.events.kinds import Role, Visibility
from madang_common.log.position import shard_of
from madang_common.log.sqlite import SqliteLog, open_epoch_file
from madang_common.problems import Problem
from madang_rooms.recovery.recovery import Recovery, Report
from madang_rooms.services.bans import Bans
from madang_rooms.services.blocks import Blocks
from madang_rooms.services.invites import Invites
from madang_rooms.services.members import Members
from madang_rooms.services.ownership import OwnershipReconciler
from madang_rooms.services.rooms import Rooms
from madang_rooms.services.users import Users
from madang_rooms.settings import RoomsSettings
from madang_rooms.storage.database import Database
from madang_rooms.storage.models import Base
from madang_rooms.storage.repositories.outbox import Outbox
from madang_rooms.storage.unit_of_work import UnitOfWorkRunner
from tests.support.databases import MySqlPlace, Place, SqlitePlace, place_on

SETTINGS = RoomsSettings(environment="development")
SHARDS = 2
PEOPLE = 4
ROOMS = 5
HOUR = 3600
SEEDS = 6
ROOM_COLUMNS = ("name", "visibility", "direct_pair", "member_count", "created_by")
ROUNDING_MS = 1

Tables = dict[str, list[dict[str, Any]]]


class Step(NamedTuple):
    """One thing that someone does; the numbers choose who, where and with whom."""

    name: str
    who: int
    room: int
    other: int
    choice: int


class World:
    """The services on one database and one log, with a clock that goes on with each step."""

    def __init__(self, database: Database, log: SqliteLog) -> None:
        self.database = database
        self.log = log
        self.now = 1_800_000_000.0
        self.units = UnitOfWorkRunner(
            database, lambda: self.now, lambda _: asyncio.sleep(0), retry_seconds=20
        )
        self.ownership = OwnershipReconciler(self.units)
        self.users = Users(self.units, self.ownership, SETTINGS)
        self.rooms = Rooms(self.units, SETTINGS)
        self.members = Members(self.units, SETTINGS)
        self.bans = Bans(self.units, SETTINGS)
        self.invites = Invites(self.units, SETTINGS)
        self.blocks = Blocks(self.units, SETTINGS)
        self.people: list[str] = []
        self.made: list[str] = []
        self.codes: list[str] = []

    async def register(self) -> None:
        name = f"person{len(self.people)}"
        self.people.append((await self.users.add(name, "$argon2id$x", name.title())).id)

    async def take(self, step: Step) -> None:
        """Do it; what is not permitted changes nothing."""
        self.now += 1.2345
        with suppress(Problem):
            await ACTIONS[step.name](self, step)

    async def settle(self) -> None:
        """Register people and make rooms that some of them are in."""
        for _ in range(PEOPLE):
            await self.register()
        owner, other, third, last = self.people
        for visibility in (Visibility.PUBLIC, Visibility.PRIVATE):
            self.made.append((await self.rooms.create(owner, visibility, visibility)).id)
        code = (await self.invites.create_link(owner, self.made[1], seconds=None, uses=9)).code
        self.codes.append(code)
        for person in (other, third):
            await self.members.join(person, self.made[0])
            await self.invites.accept(person, code)
        await self.members.change_role(owner, self.made[0], other, Role.MODERATOR)
        self.made.append((await self.rooms.open_direct(owner, last))[0].id)

    def person(self, number: int) -> str:
        """Return a person; more often than others the one who may do most."""
        return self.people[number if number < PEOPLE else 0]

    def room(self, number: int) -> str:
        return self.made[number % len(self.made)] if self.made else "none"

    def code(self, number: int) -> str:
        return self.codes[number % len(self.codes)] if self.codes else "none"

    async def publish(self) -> None:
        """Append the outbox to the log, and delete it."""
        async with self.database.reading() as session:
            rows = await Outbox(session, 0).oldest(10_000)
        for row in rows:
            await self.log.append(shard_of(row.audience, SHARDS), (row.line,))
        async with self.database.writing() as session:
            await Outbox(session, 0).delete([row.id for row in rows])
            await self.database.commit(session)

    async def compare(self, *, repair: bool = False) -> Report:
        recovery = Recovery(
            self.units,
            self.log,
            SETTINGS,
            older_logs=partial(open_epoch_file, Path("unused")),
            snapshots=self.units,
        )
        return await recovery.run(repair=repair)

    async def copy(self) -> Tables:
        async with self.database.reading() as session:
            return {
                table.name: [dict(row) for row in (await session.execute(select(table))).mappings()]
                for table in Base.metadata.sorted_tables
            }

    async def restore(self, copy: Tables) -> None:
        async with self.database.writing() as session:
            for table in reversed(Base.metadata.sorted_tables):
                await session.execute(delete(table))
            for table in Base.metadata.sorted_tables:
                if copy[table.name]:
                    await session.execute(insert(table), copy[table.name])
            await self.database.commit(session)


async def create(world: World, step: Step) -> None:
    if len(world.made) < ROOMS:
        visibility = (Visibility.PUBLIC, Visibility.PRIVATE)[step.choice % 2]
        room = await world.rooms.create(world.person(step.who), f"room {world.now}", visibility)
        world.made.append(room.id)


async def open_direct(world: World, step: Step) -> None:
    room, is_new = await world.rooms.open_direct(world.person(step.who), world.person(step.other))
    if is_new:
        world.made.append(room.id)


async def invite(world: World, step: Step) -> None:
    actor, room, other = world.person(step.who), world.room(step.room), world.person(step.other)
    made = await world.invites.create_for_user(actor, room, other, seconds=None)
    world.codes.append(made.code)


async def link(world: World, step: Step) -> None:
    made = await world.invites.create_link(
        world.person(step.who), world.room(step.room), seconds=None, uses=3
    )
    world.codes.append(made.code)


async def change_role(world: World, step: Step) -> None:
    actor, room, other = world.person(step.who), world.room(step.room), world.person(step.other)
    await world.members.change_role(actor, room, other, list(Role)[step.choice % 3])


async def ban(world: World, step: Step) -> None:
    actor, room, other = world.person(step.who), world.room(step.room), world.person(step.other)
    seconds = (None, HOUR, 2 * HOUR, 5)[step.choice % 4]
    await world.bans.put(actor, room, other, reason="spam", seconds=seconds)


async def hide(world: World, step: Step) -> None:
    actor, room = world.person(step.who), world.room(step.room)
    await world.rooms.set_hidden(actor, room, hidden=step.choice % 2 == 0)


async def archive(world: World, step: Step) -> None:
    # Rarely, because little can be done in an archived room.
    if step.choice == 0:
        await world.rooms.archive(world.person(step.who), world.room(step.room))


async def wait(world: World, step: Step) -> None:
    world.now += (10, HOUR, 3 * HOUR)[step.choice % 3]


Act = Callable[[World, Step], Awaitable[object]]
ACTIONS: Mapping[str, Act] = {
    "create": create,
    "direct": open_direct,
    "invite": invite,
    "link": link,
    "accept": lambda w, s: w.invites.accept(w.person(s.who), w.code(s.choice)),
    "decline": lambda w, s: w.invites.decline(w.person(s.who), w.code(s.choice)),
    "join": lambda w, s: w.members.join(w.person(s.who), w.room(s.room)),
    "leave": lambda w, s: w.members.leave(w.person(s.who), w.room(s.room)),
    "remove": lambda w, s: w.members.remove(w.person(s.who), w.room(s.room), w.person(s.other)),
    "role": change_role,
    "ban": ban,
    "lift": lambda w, s: w.bans.lift(w.person(s.who), w.room(s.room), w.person(s.other)),
    "rename": lambda w, s: w.rooms.rename(w.person(s.who), w.room(s.room), f"name {s.choice}"),
    "archive": archive,
    "hide": hide,
    "block": lambda w, s: w.blocks.put(w.person(s.who), w.person(s.other)),
    "unblock": lambda w, s: w.blocks.lift(w.person(s.who), w.person(s.other)),
    "publish": lambda w, _: w.publish(),
    "wait": wait,
}
BEFORE_THE_COPY: Mapping[str, Act] = {
    "revoke": lambda w, s: w.invites.revoke(w.person(s.who), w.room(s.room), w.code(s.choice)),
    "disable": lambda w, s: w.users.set_disabled(w.person(s.who), disabled=s.choice % 2 == 0),
}
"""No event says these, so a repair cannot bring them back."""
ACTIONS = {**ACTIONS, **BEFORE_THE_COPY}
LIKELY = ("join", "role", "ban", "lift", "invite", "accept", "remove", "hide")


def draw(chance: Random, names: Collection[str], count: int) -> list[Step]:
    """Return `count` random steps."""
    choices = [*sorted(names), *LIKELY]
    return [
        Step(chance.choice(choices), *(chance.randrange(8) for _ in range(4))) for _ in range(count)
    ]


def state_of(tables: Tables, now_ms: int, users: set[str], codes: set[str]) -> dict[str, Any]:
    """Return what a repair must bring back."""
    return {
        "rooms": {
            row["id"]: tuple(row[column] for column in ROOM_COLUMNS) for row in tables["rooms"]
        },
        "memberships": {
            (row["room_id"], row["user_id"]): (row["role"], row["hidden_at_ms"] is not None)
            for row in tables["memberships"]
        },
        "bans": {
            (row["room_id"], row["user_id"]): row["expires_at_ms"]
            for row in tables["bans"]
            if row["expires_at_ms"] is None or row["expires_at_ms"] > now_ms
        },
        "invites": {
            row["code"]: (
                row["uses_left"],
                row["declined_at_ms"] is not None,
                row["revoked_at_ms"] is not None,
            )
            for row in tables["invites"]
            if row["for_user"] in users and row["code"] in codes
        },
        "outbox": [],
    }


def times_of(tables: Tables) -> dict[tuple[str, ...], int]:
    """Return the times that a repair brings back to the millisecond, but for rounding."""
    found: dict[tuple[str, ...], int] = {
        ("joined", row["room_id"], row["user_id"]): row["joined_at_ms"]
        for row in tables["memberships"]
    }
    found |= {
        ("removed", row["room_id"], row["user_id"]): row["removed_at_ms"]
        for row in tables["removals"]
    }
    found |= {
        ("archived", row["id"]): row["archived_at_ms"]
        for row in tables["rooms"]
        if row["archived_at_ms"] is not None
    }
    return found


async def check_history(place: Place, path: Path, first: list[Step], then: list[Step]) -> None:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(place.replica())
        log = await SqliteLog.open(path, SHARDS)
        stack.push_async_callback(log.close)
        world = World(database, log)
        await world.settle()
        for step in first:
            await world.take(step)
        assert (await world.compare()).differences == []
        copy = await world.copy()

        for step in then:
            await world.take(step)
        assert (await world.compare()).differences == []
        await world.publish()
        assert (await world.compare()).differences == []
        true = await world.copy()
        end = [await log.end(shard) for shard in range(SHARDS)]

        await world.restore(copy)
        found = (await world.compare()).differences
        repaired = await world.compare(repair=True)
        again = await world.compare()

        assert repaired.differences == found
        assert again.differences == []
        assert [await log.end(shard) for shard in range(SHARDS)] == end
        restored = await world.copy()
        users, codes = set(world.people), {row["code"] for row in copy["invites"]}
        now_ms = int(world.now * 1000)
        assert restored["outbox"] == []
        assert state_of(restored, now_ms, users, codes) == state_of(true, now_ms, users, codes)
        check_times(times_of(restored), times_of(true))


def check_times(found: dict[tuple[str, ...], int], true: dict[tuple[str, ...], int]) -> None:
    assert found.keys() == true.keys()
    assert all(abs(found[key] - true[key]) <= ROUNDING_MS for key in true)


@pytest.fixture(scope="module")
def on_mariadb(request: pytest.FixtureRequest) -> Iterator[MySqlPlace]:
    with place_on(request.getfixturevalue("mariadb")) as place:
        yield place


@pytest.fixture(scope="module")
def on_mysql(request: pytest.FixtureRequest) -> Iterator[MySqlPlace]:
    with place_on(request.getfixturevalue("mysql")) as place:
        yield place


@pytest.fixture(params=["sqlite", "mariadb", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        embedded = SqlitePlace(tmp_path / "rooms.db")
        asyncio.run(embedded.migrate())
        return embedded
    server: MySqlPlace = request.getfixturevalue(f"on_{request.param}")
    asyncio.run(server.empty())
    return server


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_random_history_is_repaired(place: Place, seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    first = draw(chance, ACTIONS.keys(), chance.randrange(30))
    then = draw(chance, ACTIONS.keys() - BEFORE_THE_COPY, 20 + chance.randrange(40))

    await check_history(place, tmp_path / "log.db", first, then)
