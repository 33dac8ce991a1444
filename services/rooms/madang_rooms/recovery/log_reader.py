"""Reads the log to its end, for what its events say about rooms."""

import sys
from contextlib import aclosing

from madang_common.events.envelope import Event, read_line
from madang_common.log.port import Batch, Log, OlderLogs
from madang_common.log.position import first_offset
from madang_common.log.reading import read_to_end
from madang_rooms.recovery.facts import KINDS_OF_ROOMS, Facts, milliseconds

_MESSAGE = b'"kind":"message.created"'
"""Part of nearly every line of the log; these are skipped without being parsed."""
_END_OF_TIME_MS = sys.maxsize
"""For a shard of which retention has dropped everything, up to a time that nobody knows."""


async def read_facts(chat_log: Log, older_logs: OlderLogs, since_epoch: int) -> tuple[Facts, int]:
    """Return what the log says since an epoch, and its number of events of rooms; raise LogError.

    Reads every shard up to the end that it has now. Earlier epochs are read if they still exist.
    """
    facts, events = Facts(), 0
    for epoch in range(since_epoch, chat_log.epoch):
        async with older_logs(epoch, None) as older:
            if older is not None:
                events += await _read(older, facts)
    return facts, events + await _read(chat_log, facts)


async def _read(chat_log: Log, facts: Facts) -> int:
    return sum([await _read_shard(chat_log, shard, facts) for shard in range(chat_log.shards)])


async def _read_shard(chat_log: Log, shard: int, facts: Facts) -> int:
    first, events, is_first = first_offset(chat_log.epoch), 0, True
    async with aclosing(read_to_end(chat_log, shard, "first")) as batches:
        async for batch in batches:
            if is_first and batch.offset > first:
                _note_start(batch, facts)
            is_first = False
            for line in batch.lines:
                event = None if _MESSAGE in line else _event(line)
                if event is not None:
                    facts.apply(event)
                    events += 1
    if is_first and await chat_log.end(shard) > first:
        facts.keeps_since(_END_OF_TIME_MS)
    return events


def _note_start(batch: Batch, facts: Facts) -> None:
    for line in batch.lines:
        try:
            facts.keeps_since(milliseconds(read_line(line).at))
        except ValueError:
            continue  # a dead letter
        return


def _event(line: bytes) -> Event | None:
    """Return the event of rooms in `line`; None for any other line."""
    try:
        event = read_line(line)
    except ValueError:
        return None  # a dead letter of history
    return event if event.kind in KINDS_OF_ROOMS else None
