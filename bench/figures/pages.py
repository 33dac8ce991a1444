"""How long a page of a large room takes history, beside one of a small room."""

import asyncio
import random
import sys
import time
from collections.abc import Mapping, Sequence
from statistics import median

from bench.deadline import Deadline
from bench.figures.port import Goal, Result, Run
from bench.figures.scale import Scale
from bench.machine import Cores, pinned
from bench.stored_events import WRITTEN, message, opened, private_mongodb
from bench.targets.port import Target
from madang_history.api.bodies import client_bodies, json_response
from madang_history.store.event_documents import event_document
from madang_history.store.event_writer import EventWriter
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.mongo_client import CausalSessions, Database
from madang_history.store.port import StoredEvent

_SMALL, _LARGE = "small", "large"
_ITEMS = 50
_FILLED_TOGETHER = 20 * WRITTEN


def pages(
    targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """Read the newest page, and pages anywhere, of a small and a large room in turns."""
    del targets  # it measures a part of history
    rooms = {_SMALL: scale.page_small_room, _LARGE: scale.page_large_room}
    with private_mongodb(cores) as url, pinned(cores.generator):
        newest, anywhere = asyncio.run(_measure(url, rooms, scale, deadline))
    titles = {name: f"a room of {size:,}" for name, size in rooms.items()}
    return [
        Result(
            figure="pages",
            label=f"microseconds for {which} of {_ITEMS} events",
            unit="µs",
            more_is_better=False,
            runs=runs,
            titles=titles,
            goals=(Goal(1.2, peer=_SMALL, target=_LARGE),),
            notes=["from the query to the body of the response, one at a time; median"],
        )
        for which, runs in (("the newest page", newest), ("a page anywhere", anywhere))
    ]


_Runs = dict[str, list[Run]]


async def _measure(
    url: str, rooms: dict[str, int], scale: Scale, deadline: Deadline
) -> tuple[_Runs, _Runs]:
    newest: _Runs = {name: [] for name in rooms}
    anywhere: _Runs = {name: [] for name in rooms}
    async with opened(url, "pages") as database:
        store = await MongoMessageStore.open(database, 1)
        for name, size in rooms.items():
            await _fill(database, name, size, deadline)
        for _ in range(scale.repeats):
            await _read(store, dict.fromkeys(rooms), scale.page_reads, newest)
            await _read(store, rooms, scale.page_reads, anywhere)
    return newest, anywhere


async def _fill(database: Database, room: str, size: int, deadline: Deadline) -> None:
    """Store `size` messages of `room`, as history stores them."""
    await EventWriter.open(database, CausalSessions(database))
    for begin in range(0, size, _FILLED_TOGETHER):
        deadline.left("the rooms to be filled")
        numbers = range(begin, min(begin + _FILLED_TOGETHER, size))
        await database["events"].insert_many(
            [event_document(StoredEvent(number, message(number, room))) for number in numbers],
            ordered=False,
        )


async def _read(
    store: MongoMessageStore, rooms: Mapping[str, int | None], reads: int, into: _Runs
) -> None:
    """Read pages of all rooms in turn, anywhere in as many events as are given, or the newest."""
    times: dict[str, list[float]] = {name: [] for name in rooms}
    for _ in range(reads):
        for name, size in rooms.items():
            cursor = None if size is None else random.randint(_ITEMS, size)
            begun = time.perf_counter()
            found = await store.before(f"rooms.{name}", cursor, _ITEMS)
            json_response({"items": client_bodies(found)})
            times[name].append(time.perf_counter() - begun)
    for name, taken in times.items():
        into[name].append(Run(median(taken) * 1e6))
        print(f"a page of a {name} room: {into[name][-1].value:,.0f} µs", file=sys.stderr)
