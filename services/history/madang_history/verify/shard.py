"""Verification of one shard of one epoch, a window of batches at a time.

The window bounds the memory, beside a position for each room and user of whom the log has events.
"""

from collections.abc import Iterable, Sequence
from contextlib import aclosing

from madang_common.events.departures import Departures
from madang_common.events.envelope import Event
from madang_common.events.kinds import REQUIRING_MEMBERSHIP
from madang_common.log.port import Batch, Log
from madang_common.log.position import first_offset, offset_of, position, shard_of, to_id
from madang_common.log.reading import read_to_end
from madang_common.lru import Lru
from madang_history.ingest.decode import decode_lines
from madang_history.ingest.departed import REPLAYED_BATCHES
from madang_history.store.messages import named_message
from madang_history.store.port import MessageKey, MessageStore, StoredEvent
from madang_history.store.redaction import redacted
from madang_history.verify.findings import Fault, Finding, Report, ShardReport

_WINDOW_EVENTS = 5_000
_WINDOW_BYTES = 8 << 20
_PAGE = 500
_RECENT_KEYS = 400_000
"""A publisher appends an event again soon, if at all."""


class ShardVerification:
    """Compares what the log has of a shard with what is stored."""

    def __init__(
        self,
        chat_log: Log,
        shard: int,
        store: MessageStore,
        report: Report,
        *,
        only: str | None,
        departed: Sequence[Event],
    ) -> None:
        """Verify one audience if `only` names it; `departed` are changes of the epoch before."""
        self._log = chat_log
        self._shard = shard
        self._store = store
        self._report = report
        self._only = only
        self._departures = Departures()
        for event in departed:
            if shard_of(event.audience, chat_log.shards) == shard:
                self._departures.apply(event)
        first = first_offset(chat_log.epoch)
        self._result = ShardReport(chat_log.epoch, shard, first, first)
        self._unsure_before = 0
        """Offsets below may follow a departure that the log no longer has."""
        self._compared_to: dict[str, int] = {}
        """By audience: all positions below are compared."""
        self._dropped: list[tuple[int, int]] = []
        self._first_positions: Lru[int, int] = Lru(_RECENT_KEYS)
        """The first position of recent events of the log, by the hash of their identity."""

    async def run(self) -> None:
        """Compare up to the progress; raise LogError or StoreError."""
        self._report.shards.append(self._result)
        progress = await self._store.progress_of(self._shard, self._log.epoch)
        after = min(progress.next, await self._log.end(self._shard))
        if after > self._result.first:
            await self._read(after)
            await self._compare_rest()

    async def _read(self, after: int) -> None:
        """Read the log from its first batch to the offset `after`, exclusive."""
        window: list[Batch] = []
        expected: int | None = None
        events = size = 0
        reading = read_to_end(self._log, self._shard, "first", end=after)
        async with aclosing(reading) as batches:
            async for batch in batches:
                if expected is None:
                    self._begin(batch.offset)
                elif batch.offset > expected:
                    self._dropped.append((expected, batch.offset))
                    self._result.dropped += batch.offset - expected
                expected = batch.offset + 1
                window.append(batch)
                events += len(batch.lines)
                size += sum(map(len, batch.lines))
                if events >= _WINDOW_EVENTS or size >= _WINDOW_BYTES:
                    await self._compare(window)
                    window, events, size = [], 0, 0
        await self._compare(window)

    def _begin(self, offset: int) -> None:
        if offset > self._result.first:
            self._unsure_before = offset + REPLAYED_BATCHES
        self._result.first = offset

    async def _compare(self, window: Sequence[Batch]) -> None:
        if not window:
            return
        decoded = decode_lines(window, self._shard, self._log.shards, self._departures)
        self._result.excluded += decoded.barred
        self._result.dead_letters += len(decoded.dead_letters)
        self._result.after = window[-1].offset + 1
        by_audience: dict[str, list[StoredEvent]] = {}
        for entry in decoded.entries:
            if self._only in {None, entry.event.audience}:
                by_audience.setdefault(entry.event.audience, []).append(entry)
        for audience, entries in by_audience.items():
            self._result.events += len(entries)
            await self._compare_audience(audience, entries)

    async def _compare_audience(self, audience: str, entries: Sequence[StoredEvent]) -> None:
        """Compare the events of the log with all that is stored up to the end of the window."""
        stored = await self._stored(audience, entries[0].position)
        for entry in entries:
            first = self._first_position(entry)
            found = stored.pop(entry.position, None)
            if found is None:
                await self._missing(entry)
            elif found.event != entry.event and not await self._is_redaction(found, entry):
                self._add(Fault.DIFFERENT, entry)
            elif first != entry.position and await self._has(audience, first, entry.event):
                self._add(Fault.REPEATED, entry)
        self._unknown(stored.values())

    async def _is_redaction(self, found: StoredEvent, entry: StoredEvent) -> bool:
        """Return whether `found` is what is left of `entry`, because its message is deleted."""
        if found.event != redacted(entry):
            return False
        name = named_message(entry) or to_id(entry.position)
        key = MessageKey(entry.event.room or "", name)
        message = (await self._store.messages([key])).get(key)
        return message is not None and message.deleted

    async def _compare_rest(self) -> None:
        """Find what is stored after the last event of each audience in the log."""
        if self._only is not None:
            self._compared_to.setdefault(self._only, position(self._result.first, 0))
        for audience in list(self._compared_to):
            await self._stored(audience, position(self._result.after, 0))

    async def _stored(self, audience: str, first: int) -> dict[int, StoredEvent]:
        """Return what is stored from the position `first` up to the end of the window.

        What is stored between the position to which it was compared and `first` is unknown.
        """
        above = self._compared_to.get(audience, position(self._result.first, 0)) - 1
        last = position(self._result.after, 0) - 1
        found: dict[int, StoredEvent] = {}
        while page := await self._store.after(audience, above, _PAGE, upto=last):
            self._unknown(event for event in page if event.position < first)
            found.update((event.position, event) for event in page if event.position >= first)
            above = page[-1].position
        self._compared_to[audience] = last + 1
        return found

    async def _missing(self, entry: StoredEvent) -> None:
        """Add a fault unless the event is rightly not stored at its position."""
        event = entry.event
        other = await self._store.by_key(event.audience, event.sender, event.key)
        if other is not None and other.position < entry.position:
            self._result.repetitions += 1
        elif other is not None:
            self._add(Fault.DIFFERENT, entry)
        elif event.kind in REQUIRING_MEMBERSHIP and self._may_be_excluded(entry.position):
            self._result.unsure += 1
        else:
            self._add(Fault.MISSING, entry)

    def _may_be_excluded(self, at: int) -> bool:
        return offset_of(at) < self._unsure_before

    def _first_position(self, entry: StoredEvent) -> int:
        """Return the first position in the log of the event with this key, if it was recent."""
        event = entry.event
        identity = hash((event.audience, event.sender, event.key))
        first = self._first_positions.get(identity)
        if first is None:
            self._first_positions.put(identity, entry.position)
            return entry.position
        return first

    async def _has(self, audience: str, at: int, event: Event) -> bool:
        """Return whether an event with the key of `event` is stored at `at`."""
        found = await self._store.get(audience, at)
        return found is not None and _key(found.event) == _key(event)

    def _unknown(self, stored: Iterable[StoredEvent]) -> None:
        for event in stored:
            offset = offset_of(event.position)
            if not any(first <= offset < after for first, after in self._dropped):
                self._add(Fault.UNKNOWN, event)

    def _add(self, fault: Fault, entry: StoredEvent) -> None:
        event = entry.event
        self._report.add(
            Finding(
                fault,
                self._log.epoch,
                self._shard,
                event.audience,
                entry.position,
                event.key,
            ),
            self._result,
        )


def _key(event: Event) -> tuple[str, str]:
    return event.sender, event.key
