"""What a batch of the log is to the store: events, and lines that are none."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from madang_common.events.envelope import Event, read_line
from madang_common.log.port import Batch
from madang_common.log.position import position, shard_of
from madang_history.dead.port import DeadLine
from madang_history.store.port import Entry

_LONGEST = 8 << 20
"""Bytes of a line that every store takes: a document of MongoDB has 16 MiB at most."""
_DEEPEST = 100
"""Objects and lists in a line that cannot be nested too deeply to be written again."""


@dataclass(slots=True)
class Sorted:
    """The lines of some batches, in the log's order."""

    entries: list[Entry] = field(default_factory=list)
    dead: list[DeadLine] = field(default_factory=list)


def sort_lines(batches: Iterable[Batch], shard: int, shards: int) -> Sorted:
    """Tell events from what is none in `batches` of `shard`."""
    found = Sorted()
    for batch in batches:
        for index, line in enumerate(batch.lines):
            at = position(batch.offset, index)
            try:
                found.entries.append(_entry(at, line, shard, shards))
            except ValueError as error:
                found.dead.append(DeadLine(shard, at, line, str(error)))
    return found


def _entry(at: int, line: bytes, shard: int, shards: int) -> Entry:
    if len(line) > _LONGEST:
        raise ValueError(f"the line has more than {_LONGEST} bytes")
    event = read_line(line)
    if line.count(b"{") + line.count(b"[") > _DEEPEST:
        _check_depth(event)
    audience = event.audience
    # Positions tell events of one shard apart, not of two: elsewhere it could hide another event.
    if shard_of(audience, shards) != shard:
        raise ValueError(f"{audience[:80]} does not belong to shard {shard}")
    return Entry(at, audience, event.kind, event.sender, event.key, line)


def _check_depth(event: Event) -> None:
    """Raise ValueError if `event` could not be written for its readers, within pages of events."""
    try:
        orjson.dumps([[[event.document(with_headers=True)]]])
    except TypeError as error:
        raise ValueError(f"the event is nested too deeply: {error}") from error
