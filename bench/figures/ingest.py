"""How fast history stores events in MongoDB, beside the same documents without history."""

import asyncio
import sys
import time
from collections.abc import Sequence

from bench.deadline import Deadline
from bench.figures.port import MEASURED, Goal, Result, Run
from bench.figures.scale import Scale
from bench.machine import Cores, pinned
from bench.stored_events import WRITTEN, message, opened, private_mongodb
from bench.targets.port import Target
from madang_common.events.departures import Departures
from madang_common.log.port import Batch
from madang_history.ingest.decode import decode_lines
from madang_history.store.event_documents import event_document, message_document
from madang_history.store.event_writer import EventWriter
from madang_history.store.mongo import MongoMessageStore

_RAW = "insert_many"
_BATCH_LINES = 50
_ROOMS = 1000


def ingest(
    targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """Store the same events by history's ingest and by `insert_many`, in turns."""
    del targets, deadline  # it measures a part of history, within seconds
    batches = _batches(scale.ingest_events)
    runs: dict[str, list[Run]] = {MEASURED: [], _RAW: []}
    with private_mongodb(cores) as url, pinned(cores.generator):
        for _ in range(scale.repeats):
            seconds = asyncio.run(_alternate(url, batches))
            for name, taken in seconds.items():
                print(f"{name}: {scale.ingest_events / taken:,.0f} events/s", file=sys.stderr)
                runs[name].append(Run(scale.ingest_events / taken))
    result = Result(
        figure="ingest",
        label="events/s that history stores in MongoDB",
        unit="events/s",
        more_is_better=True,
        runs=runs,
        titles={MEASURED: "history's ingest", _RAW: f"insert_many of {WRITTEN}"},
        goals=(Goal(0.6, peer=_RAW),),
        notes=[
            f"{scale.ingest_events:,} messages in {_ROOMS:,} rooms, {WRITTEN} in a write, in turn",
            "majority and journal; the same documents of both collections, with the same indexes",
            "history also decodes lines of the log, and writes its progress",
        ],
    )
    return [result]


def _batches(count: int) -> list[Batch]:
    lines = [message(number, f"room{number % _ROOMS}").line() for number in range(count)]
    return [
        Batch(begin // _BATCH_LINES, tuple(lines[begin : begin + _BATCH_LINES]))
        for begin in range(0, count, _BATCH_LINES)
    ]


async def _alternate(url: str, batches: Sequence[Batch]) -> dict[str, float]:
    """Write all of `batches` in both ways, one write of each in turn; return the seconds of each.

    In turn, so that another load of the machine slows both down alike.
    """
    seconds = {MEASURED: 0.0, _RAW: 0.0}
    departures = Departures()
    together = WRITTEN // _BATCH_LINES
    async with opened(url, "ingest") as ours, opened(url, "raw") as raw:
        store = await MongoMessageStore.open(ours, 1)
        await EventWriter.open(raw)
        for begin in range(0, len(batches), together):
            taken = batches[begin : begin + together]
            begun = time.perf_counter()
            decoded = decode_lines(taken, 0, 1, departures)
            await store.store(0, decoded.entries, taken[-1].offset + 1)
            seconds[MEASURED] += time.perf_counter() - begun

            events = [event_document(entry) for entry in decoded.entries]
            messages = list(map(message_document, decoded.entries, events))
            begun = time.perf_counter()
            await raw["events"].insert_many(events)
            await raw["messages"].insert_many(messages)
            seconds[_RAW] += time.perf_counter() - begun
    return seconds
