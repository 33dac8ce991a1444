"""Loads what the version before stored."""

import asyncio
import json
import sqlite3
from pathlib import Path

from bson import Int64, json_util
from pymongo import IndexModel

from madang_common.events.envelope import read_line
from madang_common.log.position import position, to_id
from madang_history.store.mongo_client import Database
from madang_history.store.port import StoredEvent

_FOLDER = Path(__file__).parent


def batches() -> list[tuple[int, int, list[StoredEvent]]]:
    """Return the batches of the log: shard, offset and events."""
    return [
        (
            shard,
            offset,
            [
                StoredEvent(position(offset, index), read_line(line.encode()))
                for index, line in enumerate(lines)
            ],
        )
        for shard, offset, lines in json.loads((_FOLDER / "log.json").read_text())
    ]


def by_audience() -> dict[str, list[StoredEvent]]:
    """Return the events of each audience, oldest first."""
    found: dict[str, list[StoredEvent]] = {}
    for _, _, events in batches():
        for stored in events:
            found.setdefault(stored.event.audience, []).append(stored)
    return found


async def fill_mongodb(database: Database, *, more: int = 0) -> list[StoredEvent]:
    """Put everything into `database`; return `more` later messages of the yard that it got too."""
    text = await asyncio.to_thread((_FOLDER / "mongodb.json").read_text)
    collections = json_util.loads(text)
    for name, collection in collections.items():
        await database.create_collection(name, validator=collection["validator"])
        indexes = [
            IndexModel(index["key"], name=index["name"], unique=index["unique"])
            for index in collection["indexes"]
        ]
        if indexes:
            await database[name].create_indexes(indexes)
        await database[name].insert_many(collection["documents"])
    template = next(
        document
        for document in collections["events"]["documents"]
        if (document["audience"], document["kind"]) == ("rooms.yard", "message.created")
    )
    event = read_line(template["line"])
    added = [
        StoredEvent(position(1_000, 0) + number, event._replace(key=f"more-{number}"))
        for number in range(more)
    ]
    documents = [
        template
        | {
            "_id": f"rooms.yard/{to_id(stored.position)}",
            "position": Int64(stored.position),
            "key": stored.event.key,
            "line": stored.event.line(),
        }
        for stored in added
    ]
    if documents:
        await database["events"].insert_many(documents)
    return added


def fill_sqlite(path: Path) -> None:
    """Make the file of the embedded store at `path`."""
    db = sqlite3.connect(path)
    db.executescript((_FOLDER / "messages.sql").read_text())
    db.close()
