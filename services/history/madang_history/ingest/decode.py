"""Decodes batches of the log into events to store, and dead letters."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from madang_common.events.departures import Departures
from madang_common.events.envelope import Event, read_line
from madang_common.events.message_kinds import MessageCreated, ReactionAdded, ReactionRemoved
from madang_common.log.port import Batch
from madang_common.log.position import position, shard_of
from madang_fold import KINDS
from madang_history.dead_letters.port import DeadLetter
from madang_history.store.port import StoredEvent

_MAX_LINE_BYTES = 8 << 20
"""Largest line that every store accepts; a document of MongoDB has at most 16 MiB."""
_MAX_ENVELOPE_BYTES = 64 << 10
"""Largest event without `data` and `headers`: stores keep ids more than once."""
_MAX_CHANGE_BYTES = 1 << 20
"""Largest event that changes a message, which keeps the content of several such events."""
_MAX_REACTING_BYTES = 256
"""Longest id of a user who reacts; a message keeps thousands of them."""
_SAFE_BRACKETS = 100
"""Up to this many objects and lists, no line is nested too deeply to be serialized."""


_CHANGES = KINDS - {MessageCreated.kind}
_REACTIONS = {ReactionAdded.kind, ReactionRemoved.kind}


@dataclass(slots=True)
class Decoded:
    """The decoded lines of some batches, in the log's order."""

    entries: list[StoredEvent] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    barred: int = 0
    """Number of messages sent after the end of their sender's membership, which are dropped."""


def decode_lines(
    batches: Iterable[Batch], shard: int, shards: int, departures: Departures
) -> Decoded:
    """Decode the lines of `batches` of `shard`.

    `departures` has seen the events before them.
    """
    decoded = Decoded()
    for batch in batches:
        for index, line in enumerate(batch.lines):
            at = position(batch.offset, index)
            try:
                event = _event(line, shard, shards)
            except ValueError as error:
                decoded.dead_letters.append(DeadLetter(shard, at, line, str(error)))
                continue
            departures.apply(event)
            if departures.exclude(event):
                decoded.barred += 1
            else:
                decoded.entries.append(StoredEvent(at, event))
    return decoded


def note_departures(batch: Batch, departures: Departures) -> None:
    """Let `departures` see the events of `batch`, which is stored already."""
    for line in batch.lines:
        try:
            departures.apply(read_line(line))
        except ValueError:
            continue  # a dead letter


def _event(line: bytes, shard: int, shards: int) -> Event:
    if len(line) > _MAX_LINE_BYTES:
        raise ValueError(f"the line has more than {_MAX_LINE_BYTES} bytes")
    event = read_line(line)
    if line.count(b"{") + line.count(b"[") > _SAFE_BRACKETS:
        _check_depth(event)
    if len(line) > _MAX_ENVELOPE_BYTES:
        _check_size(event)
    if event.kind in _CHANGES:
        _check_change(event, line)
    audience = event.audience
    # Positions are unique within a shard only: in another one it could shadow another event.
    if shard_of(audience, shards) != shard:
        raise ValueError(f"{audience[:80]} does not belong to shard {shard}")
    return event


def _check_depth(event: Event) -> None:
    """Raise ValueError if `event` is too deep to be serialized inside a page of events."""
    try:
        orjson.dumps([[[event.document(with_headers=True)]]])
    except TypeError as error:
        raise ValueError(f"the event is nested too deeply: {error}") from error


def _check_size(event: Event) -> None:
    """Raise ValueError if a store cannot accept `event` although its line is not too large."""
    document = event.document(with_headers=True)
    # A number may be longer than in the line: 1e15 is serialized as 1000000000000000.0.
    if len(orjson.dumps(document)) > _MAX_LINE_BYTES:
        raise ValueError(f"the event has more than {_MAX_LINE_BYTES} bytes")
    if len(orjson.dumps(document | {"data": {}, "headers": {}})) > _MAX_ENVELOPE_BYTES:
        raise ValueError(f"its ids and names have more than {_MAX_ENVELOPE_BYTES} bytes")


def _check_change(event: Event, line: bytes) -> None:
    """Raise ValueError if a message could become too large for a store by `event` and others."""
    if len(line) > _MAX_CHANGE_BYTES:
        raise ValueError(f"the change of a message has more than {_MAX_CHANGE_BYTES} bytes")
    if event.kind in _REACTIONS and len(event.sender.encode()) > _MAX_REACTING_BYTES:
        raise ValueError(f"the id of who reacts has more than {_MAX_REACTING_BYTES} bytes")
