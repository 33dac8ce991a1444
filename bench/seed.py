"""Users, rooms and memberships, inserted into the rooms database: a hundred thousand in seconds."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from bench.accounts import Account
from bench.targets.port import Demand
from madang_common.events.kinds import Role, Visibility
from madang_common.ids import new_id
from madang_rooms.storage.models import Base, Membership, Room, User

_CHUNK = 5000
_NO_PASSWORD = "-"


def insert_rooms(database_url: str, demand: Demand, accounts: Sequence[Account]) -> list[str]:
    """Insert the accounts, and rooms with the members of `demand`; return the rooms' ids."""
    now = round(time.time() * 1000)
    rooms = [new_id() for _ in range(demand.rooms)]
    members = [demand.members_of(room) for room in range(demand.rooms)]
    asyncio.run(
        _insert(
            database_url,
            [
                (User, [_user(account, now) for account in accounts]),
                (
                    Room,
                    [
                        _room(room, number, [accounts[user].id for user in inside], now)
                        for number, (room, inside) in enumerate(zip(rooms, members, strict=True))
                    ],
                ),
                (
                    Membership,
                    [
                        _membership(
                            room, accounts[user].id, Role.MEMBER if place else Role.OWNER, now
                        )
                        for room, inside in zip(rooms, members, strict=True)
                        for place, user in enumerate(inside)
                    ],
                ),
            ],
        )
    )
    return rooms


async def _insert(
    database_url: str, tables: Sequence[tuple[type[Base], list[dict[str, Any]]]]
) -> None:
    engine = create_async_engine(database_url)
    try:
        for table, rows in tables:
            for start in range(0, len(rows), _CHUNK):
                async with engine.begin() as connection:
                    await connection.execute(insert(table), rows[start : start + _CHUNK])
    finally:
        await engine.dispose()


def _user(account: Account, now: int) -> dict[str, Any]:
    return {
        "id": account.id,
        "username": account.username,
        "display_name": account.username,
        "password_hash": _NO_PASSWORD,
        "disabled": False,
        "created_at_ms": now,
    }


def _room(room: str, number: int, members: Sequence[str], now: int) -> dict[str, Any]:
    return {
        "id": room,
        "name": f"Bench {number}",
        "visibility": Visibility.PUBLIC,
        "member_count": len(members),
        "created_by": members[0],
        "created_at_ms": now,
    }


def _membership(room: str, user: str, role: Role, now: int) -> dict[str, Any]:
    return {"room_id": room, "user_id": user, "role": role, "joined_at_ms": now}
