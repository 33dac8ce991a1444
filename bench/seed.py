"""Users, rooms and memberships in the rooms database, a hundred thousand in seconds; messages."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import create_async_engine

from bench.accounts import Account
from bench.targets.port import TEXT, Demand
from madang_common.amqp.endpoint import AmqpEndpoint
from madang_common.clock import rfc3339
from madang_common.events.envelope import Event
from madang_common.events.kinds import Role, Visibility
from madang_common.ids import new_id
from madang_common.log.amqp import AmqpLog
from madang_common.log.position import shard_of
from madang_common.settings import CommonSettings
from madang_rooms.storage.models import Base, Membership, Room, User

LOG_SHARDS = int(CommonSettings.model_fields["log_shards"].default)
"""Shards of the log, as the services take them without a setting."""
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


def set_passwords(database_url: str, accounts: Sequence[Account], password_hash: str) -> None:
    """Let the accounts log in with the password of `password_hash`."""
    asyncio.run(_set_passwords(database_url, [account.id for account in accounts], password_hash))


def append_messages(amqp_url: str, rooms: Sequence[str], by: Account, count: int) -> None:
    """Append `count` messages to each of `rooms`, as a gateway does."""
    asyncio.run(_append(amqp_url, rooms, by, count))


async def _append(amqp_url: str, rooms: Sequence[str], by: Account, count: int) -> None:
    log = await AmqpLog.open(AmqpEndpoint.at(amqp_url), LOG_SHARDS, name="bench")
    try:
        for room in rooms:
            events = [_message(room, number, by) for number in range(count)]
            shard = shard_of(events[0].audience, LOG_SHARDS)
            await log.append(shard, tuple(event.line() for event in events))
    finally:
        await log.close()


def _message(room: str, number: int, by: Account) -> Event:
    return Event(
        key=new_id(),
        kind="message.created",
        sender=by.id,
        sender_name=by.username,
        at=rfc3339(time.time()),
        data={"text": f"{TEXT} {number:08d}"},
        room=room,
    )


async def _set_passwords(database_url: str, users: Sequence[str], password_hash: str) -> None:
    engine = create_async_engine(database_url)
    try:
        async with engine.begin() as connection:
            changed = update(User).where(User.id.in_(users))
            await connection.execute(changed.values(password_hash=password_hash))
    finally:
        await engine.dispose()


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
