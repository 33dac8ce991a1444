"""What a batch of the log is to the store: events, and lines that are none."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from madang_common.events.departures import Departures
from madang_common.events.envelope import Event, read_line
from madang_common.log.port import Batch
from madang_common.log.position import position, shard_of
from madang_history.dead_letters.port import DeadLine
from madang_history.store.port import Entry

_LONGEST = 8 << 20
"""Largest line in bytes that every store takes; a document of MongoDB has at most 16 MiB."""
_DEEPEST = 100
"""Number of objects and lists up to which a line is never nested too deeply to be serialized."""


@dataclass(slots=True)
class Decoded:
    """The lines of some batches, in the log's order."""

    entries: list[Entry] = field(default_factory=list)
    dead: list[DeadLine] = field(default_factory=list)
    barred: int = 0
    """Number of messages after the end of their sender's membership."""


def decode_lines(
    batches: Iterable[Batch], shard: int, shards: int, departures: Departures
) -> Decoded:
    """Sort the lines in `batches` of `shard`: events to store, dead lines, and barred messages.

    `departures` has noted the events before them.
    """
    found = Decoded()
    for batch in batches:
        for index, line in enumerate(batch.lines):
            at = position(batch.offset, index)
            try:
                event = _event(line)
                entry = _entry(at, event, line, shard, shards)
            except ValueError as error:
                found.dead.append(DeadLine(shard, at, line, str(error)))
                continue
            departures.apply(event)
            if departures.exclude(event):
                found.barred += 1
            else:
                found.entries.append(entry)
    return found


def note_departures(batch: Batch, departures: Departures) -> None:
    """Note the departures in `batch`, which is stored already."""
    for line in batch.lines:
        try:
            departures.apply(read_line(line))
        except ValueError:
            continue  # it was set aside


def _event(line: bytes) -> Event:
    if len(line) > _LONGEST:
        raise ValueError(f"the line has more than {_LONGEST} bytes")
    event = read_line(line)
    if line.count(b"{") + line.count(b"[") > _DEEPEST:
        _check_depth(event)
    return event


def _entry(at: int, event: Event, line: bytes, shard: int, shards: int) -> Entry:
    audience = event.audience
    # Positions tell events of one shard apart, not of two: elsewhere it could hide another event.
    if shard_of(audience, shards) != shard:
        raise ValueError(f"{audience[:80]} does not belong to shard {shard}")
    return Entry(at, audience, event.kind, event.sender, event.key, line)


def _check_depth(event: Event) -> None:
    """Raise ValueError if `event` cannot be serialized within a page of events."""
    try:
        orjson.dumps([[[event.document(with_headers=True)]]])
    except TypeError as error:
        raise ValueError(f"the event is nested too deeply: {error}") from error
