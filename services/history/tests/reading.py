"""Clients of history's API, and the events that they read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from madang_common.events.envelope import Event
from madang_common.log.position import position, shard_of, to_id
from madang_common.log.sqlite import SqliteLog

from .waiting import stored


@asynccontextmanager
async def client_of(app: FastAPI, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://history", headers=headers
    ) as client:
        yield client


async def send(app: FastAPI, log: SqliteLog, *events: Event) -> list[str]:
    """Store `events` of the yard as one batch; return their ids."""
    shard = shard_of("rooms.yard", log.shards)
    offset = await log.end(shard)
    await log.append(shard, tuple(event.line() for event in events))
    await stored(app, shard, offset + 1)
    return [to_id(position(offset, line)) for line in range(len(events))]
