"""Verification of the store: every epoch and shard of the log that still exists."""

from collections.abc import Sequence

from madang_common.events.envelope import Event
from madang_common.log.port import Log, LogLost, OlderLogs
from madang_common.log.position import shard_of
from madang_history.ingest.departed import read_membership_changes
from madang_history.store.port import Epoch, MessageStore
from madang_history.verify.findings import Report
from madang_history.verify.shard import ShardVerification


async def verify(
    chat_log: Log,
    older_logs: OlderLogs,
    store: MessageStore,
    *,
    only: str | None = None,
    most: int = 1000,
) -> Report:
    """Compare the stored events with the log, where it still has them; only reads.

    `only` is the one audience to verify; the report lists up to `most` faults. Raise LogError or
    StoreError.
    """
    report = Report(most)
    before: Epoch | None = None
    for epoch in await store.epochs():
        if epoch.number < chat_log.epoch:
            async with older_logs(epoch.number, epoch.shards) as older:
                if older is not None:
                    await _verify(older, before, older_logs, store, report, only)
            before = epoch
    await _verify(chat_log, before, older_logs, store, report, only)
    return report


async def _verify(
    chat_log: Log,
    before: Epoch | None,
    older_logs: OlderLogs,
    store: MessageStore,
    report: Report,
    only: str | None,
) -> None:
    departed: Sequence[Event] = ()
    if before is not None:
        departed = await read_membership_changes(before, older_logs)
    shards = range(chat_log.shards) if only is None else [shard_of(only, chat_log.shards)]
    for shard in shards:
        verification = ShardVerification(
            chat_log, shard, store, report, only=only, departed=departed
        )
        try:
            await verification.run()
        except LogLost:
            if chat_log.epoch == store.epoch:
                raise
            # One stream of an earlier epoch may be lost and others not.
            report.shards[-1].is_lost = True
