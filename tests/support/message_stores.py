"""Places where a message store keeps its data, one for each adapter of the port."""

import sqlite3
from collections.abc import Iterable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Protocol

from typing_extensions import override

from madang_history.endpoint import MongoEndpoint
from madang_history.store.documents import BY_KEY, EVENT_INDEXES, EVENTS, MESSAGES
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.mongo_client import Database, connected
from madang_history.store.port import MessageStore
from madang_history.store.sqlite import SqliteMessageStore

SHARDS = 2


class Stores(Protocol):
    """One place where a store keeps its data, opened as often as a test likes."""

    async def open(self, shards: int = SHARDS, epoch: int = 0) -> MessageStore:
        """Open the store on the same data."""
        ...

    async def allow_repetitions(self) -> None:
        """Let a key be stored twice, as a store without its unique index would."""
        ...

    async def contents(self, rooms: Iterable[str]) -> str:
        """Return everything that is stored about `rooms`, as text."""
        ...


class SqliteStores(Stores):
    def __init__(self, path: Path) -> None:
        self._path = path

    @override
    async def open(self, shards: int = SHARDS, epoch: int = 0) -> MessageStore:
        return await SqliteMessageStore.open(self._path, shards, epoch=epoch)

    @override
    async def allow_repetitions(self) -> None:
        with closing(sqlite3.connect(self._path)) as db:
            db.execute("DROP INDEX events_by_sender_and_key")

    @override
    async def contents(self, rooms: Iterable[str]) -> str:
        found: list[object] = []
        with closing(sqlite3.connect(self._path)) as db:
            for room in rooms:
                for table in ("events", "messages"):
                    query = f"SELECT * FROM {table} WHERE room = ?"
                    found += db.execute(query, (room,)).fetchall()
        return repr(found)


class MongoStores(Stores):
    def __init__(self, url: str, database: str, clients: AsyncExitStack) -> None:
        self._url = url
        self._database = database
        self._clients = clients
        self._reading: Database | None = None

    @override
    async def open(self, shards: int = SHARDS, epoch: int = 0) -> MessageStore:
        return await MongoMessageStore.open(await self._connect(), shards, epoch=epoch)

    @override
    async def allow_repetitions(self) -> None:
        events = (await self._connect())[EVENTS]
        (unique,) = [index for index in EVENT_INDEXES if index.document["name"] == BY_KEY]
        await events.drop_index(BY_KEY)
        await events.create_index(list(unique.document["key"].items()), name=BY_KEY)

    @override
    async def contents(self, rooms: Iterable[str]) -> str:
        if self._reading is None:
            self._reading = await self._connect()
        database = self._reading
        selected = {"room": {"$in": list(rooms)}}
        found = [await database[name].find(selected).to_list(None) for name in (EVENTS, MESSAGES)]
        return repr(found)

    async def _connect(self) -> Database:
        opening = connected(
            MongoEndpoint.at(self._url), self._database, timeout_seconds=10, connections=4
        )
        return await self._clients.enter_async_context(opening)
