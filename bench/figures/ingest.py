"""How fast history stores events in MongoDB, beside the same documents without history."""

import asyncio
import sys
import time
from collections.abc import Sequence

from bench.deadline import Deadline
from bench.figures.port import MEASURED, Goal, Result, Run
from bench.figures.scale import Scale
from bench.machine import Cores, pinned
from bench.stored_events import WRITTEN, edit, message, opened, private_mongodb, reaction
from bench.targets.port import Target
from madang_common.events.departures import Departures
from madang_common.events.envelope import Event
from madang_common.log.port import Batch
from madang_common.log.position import position, to_id
from madang_fold import Message
from madang_history.ingest.decode import decode_lines
from madang_history.store.event_documents import event_document
from madang_history.store.event_writer import EventWriter
from madang_history.store.message_documents import message_document
from madang_history.store.messages import fold_batch
from madang_history.store.mongo import MongoMessageStore
from madang_history.store.mongo_client import CausalSessions
from madang_history.store.port import StoredEvent

_RAW = "insert_many"
_BATCH_LINES = 50
_ROOMS = 1000
_CHANGES = {3: edit, 7: reaction}
"""By the last digit of its number: an event that changes a message instead of creating one."""
_BACK = _ROOMS + 1
"""A change is about a message so many events before it, which is in an earlier write."""


def ingest(
    targets: Sequence[Target], scale: Scale, cores: Cores, deadline: Deadline
) -> list[Result]:
    """Store the same events by history's ingest and by `insert_many`, in turns."""
    del targets, deadline  # it measures a part of history, within seconds
    return [
        _measure(
            scale,
            cores,
            _created(scale.ingest_events),
            goal=0.6,
            label="events/s that history stores in MongoDB",
            what=f"{scale.ingest_events:,} messages in {_ROOMS:,} rooms",
        ),
        _measure(
            scale,
            cores,
            _mixed(scale.ingest_events),
            goal=0.5,
            label="events/s with 20 % edits and reactions",
            what=f"{scale.ingest_events:,} events in {_ROOMS:,} rooms, a fifth of them about"
            " messages of earlier writes",
        ),
    ]


def _measure(
    scale: Scale, cores: Cores, events: Sequence[Event], *, goal: float, label: str, what: str
) -> Result:
    batches = _batches(events)
    runs: dict[str, list[Run]] = {MEASURED: [], _RAW: []}
    with private_mongodb(cores) as url, pinned(cores.generator):
        for _ in range(scale.repeats):
            seconds = asyncio.run(_alternate(url, batches))
            for name, taken in seconds.items():
                print(f"{name}: {len(events) / taken:,.0f} {label}", file=sys.stderr)
                runs[name].append(Run(len(events) / taken))
    return Result(
        figure="ingest",
        label=label,
        unit="events/s",
        more_is_better=True,
        runs=runs,
        titles={MEASURED: "history's ingest", _RAW: f"insert_many of {WRITTEN}"},
        goals=(Goal(goal, peer=_RAW),),
        notes=[
            f"{what}; {WRITTEN} in a write, in turn",
            "majority and journal; the same events and new messages, with the same indexes",
            "history also decodes lines of the log, applies the changes and writes its progress",
        ],
    )


def _created(count: int) -> list[Event]:
    return [message(number, _room(number)) for number in range(count)]


def _mixed(count: int) -> list[Event]:
    events = _created(count)
    for number in range(_BACK, count):
        change = _CHANGES.get(number % 10)
        if change is not None:
            about = number - _BACK
            at = position(about // _BATCH_LINES, about % _BATCH_LINES)
            events[number] = change(number, events[about], to_id(at))
    return events


def _room(number: int) -> str:
    return f"room{number % _ROOMS}"


def _batches(events: Sequence[Event]) -> list[Batch]:
    lines = [event.line() for event in events]
    return [
        Batch(begin // _BATCH_LINES, tuple(lines[begin : begin + _BATCH_LINES]))
        for begin in range(0, len(lines), _BATCH_LINES)
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
        await EventWriter.open(raw, CausalSessions(raw))
        for begin in range(0, len(batches), together):
            taken = batches[begin : begin + together]
            begun = time.perf_counter()
            decoded = decode_lines(taken, 0, 1, departures)
            await store.store(0, decoded.entries, taken[-1].offset + 1)
            seconds[MEASURED] += time.perf_counter() - begun

            events = [event_document(entry) for entry in decoded.entries]
            messages = list(map(message_document, *_first_states(decoded.entries)))
            begun = time.perf_counter()
            await raw["events"].insert_many(events)
            await raw["messages"].insert_many(messages)
            seconds[_RAW] += time.perf_counter() - begun
    return seconds


def _first_states(entries: Sequence[StoredEvent]) -> tuple[list[str], list[Message]]:
    """Return the rooms and first states of the messages that `entries` create."""
    new = fold_batch(entries, {})
    return [key.room for key in new], list(new.values())
