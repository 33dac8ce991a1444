"""The contract of history's store port about the log: epochs, progress and gaps."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from madang_common.log.position import first_offset
from madang_history.store.port import (
    Epoch,
    Gap,
    MessageStore,
    ShardProgress,
    StoreMismatch,
    StoreUnavailable,
)
from tests.support.message_stores import SHARDS, Stores

FIRST = first_offset(1)


@pytest.fixture
async def store(stores: Stores) -> AsyncIterator[MessageStore]:
    store = await stores.open()
    yield store
    await store.close()


def is_recent(time: datetime | None) -> bool:
    return time is not None and abs(datetime.now(UTC) - time) < timedelta(minutes=1)


async def test_a_new_store_has_the_epoch_that_entered_it(stores: Stores) -> None:
    store = await stores.open(6, epoch=3)

    assert await store.epochs() == [Epoch(3, 6)]
    assert (store.epoch, store.shards) == (3, 6)
    assert await store.progress(5) == first_offset(3)
    assert await store.progress_of(5, 3) == ShardProgress(first_offset(3), first_offset(3))
    await store.close()


async def test_a_later_epoch_is_entered_with_shards_of_its_own(stores: Stores) -> None:
    before = await stores.open()
    await before.store(1, [], 7)

    store = await stores.open(6, epoch=1)

    assert await store.epochs() == [Epoch(0, SHARDS), Epoch(1, 6)]
    assert await before.epochs() == [Epoch(0, SHARDS), Epoch(1, 6)]
    assert await store.progress(1) == FIRST
    assert (await store.progress_of(1, 0)).next == 7
    await before.close()
    await store.close()


async def test_an_epoch_before_the_last_one_is_refused(stores: Stores) -> None:
    await (await stores.open(epoch=2)).close()

    for epoch in (0, 1):
        with pytest.raises(StoreMismatch, match=r"MADANG_LOG_EPOCH=2.*broker-data-lost\.md"):
            await stores.open(epoch=epoch)

    store = await stores.open(epoch=2)
    assert await store.epochs() == [Epoch(2, SHARDS)]
    await store.close()


@pytest.mark.parametrize("epoch", [0, 1])
async def test_an_epoch_with_other_shards_is_refused(stores: Stores, epoch: int) -> None:
    await (await stores.open(epoch=epoch)).close()

    with pytest.raises(StoreMismatch, match=r"2 shards, not 3.*change-shards\.md"):
        await stores.open(3, epoch=epoch)


async def test_an_epoch_that_no_position_can_express_is_refused(stores: Stores) -> None:
    with pytest.raises(StoreMismatch, match="255"):
        await stores.open(epoch=256)


@pytest.mark.parametrize("epoch", [0, 1])
async def test_the_first_of_concurrent_entries_into_an_epoch_wins(
    stores: Stores, epoch: int
) -> None:
    opening = [stores.open(shards, epoch=epoch) for shards in (2, 3, 4)]

    opened = await asyncio.gather(*opening, return_exceptions=True)

    stored = [store for store in opened if not isinstance(store, BaseException)]
    refused = [error for error in opened if isinstance(error, BaseException)]
    # SQLite may also be busy; only one process opens it.
    assert all(isinstance(error, StoreMismatch | StoreUnavailable) for error in refused)
    (store,) = stored
    assert await store.epochs() == [Epoch(epoch, store.shards)]
    await store.close()


async def test_progress_is_stored_for_the_epoch_of_its_offset(stores: Stores) -> None:
    store = await stores.open(epoch=1)

    await store.store(0, [], FIRST + 4)
    await store.store(0, [], FIRST + 3)
    await store.store(0, [], 9)

    assert await store.progress(0) == FIRST + 4
    assert (await store.progress_of(0, 0)).next == 9
    assert (await store.progress_of(1, 1)).next == FIRST
    await store.close()


async def test_the_highest_end_is_remembered(store: MessageStore) -> None:
    await store.note_end(1, 12)
    await store.note_end(1, 10)
    assert await store.progress_of(1, 0) == ShardProgress(0, 12)

    await store.store(1, [], 5)
    assert await store.progress_of(1, 0) == ShardProgress(5, 12)

    await store.store(1, [], 20)
    assert await store.progress_of(1, 0) == ShardProgress(20, 20)


async def test_a_shard_is_sealed_once(store: MessageStore) -> None:
    await store.store(0, [], 8)

    sealed = await store.seal(0, 0, lost=False)
    again = await store.seal(0, 0, lost=True)

    assert (sealed.next, sealed.end, sealed.lost) == (8, 8, False)
    assert is_recent(sealed.sealed_at)
    assert sealed.is_sealed
    assert again == sealed == await store.progress_of(0, 0)
    assert not (await store.progress_of(1, 0)).is_sealed


async def test_a_shard_that_was_lost_is_sealed_with_what_is_known_of_it(stores: Stores) -> None:
    store = await stores.open(epoch=1)
    await store.store(0, [], 8)
    await store.note_end(0, 12)

    lost = await store.seal(0, 0, lost=True)
    unknown = await store.seal(1, 0, lost=True)

    assert (lost.next, lost.end, lost.lost) == (8, 12, True)
    assert (unknown.next, unknown.end, unknown.lost) == (0, 0, True)
    assert await store.progress_of(0, 1) == ShardProgress(FIRST, FIRST)
    await store.close()


async def test_progress_after_the_seal_is_kept(store: MessageStore) -> None:
    """A replica that was paused in a write completes it later, which is no harm."""
    await store.note_end(0, 12)
    await store.seal(0, 0, lost=True)

    await store.store(0, [], 3)

    progress = await store.progress_of(0, 0)
    assert (progress.next, progress.end, progress.lost) == (3, 12, True)


async def test_gaps_belong_to_the_epoch_of_their_offsets(stores: Stores) -> None:
    store = await stores.open(epoch=1)
    await store.add_gap(0, Gap(2, 5))
    await store.add_gap(0, Gap(FIRST, FIRST + 1))
    await store.add_gap(0, Gap(2, 5))

    assert await store.gaps(0) == [Gap(FIRST, FIRST + 1)]
    (gap,) = await store.gaps(0, epoch=0)
    assert gap == Gap(2, 5)
    assert is_recent(gap.at)
    assert await store.gaps(1, epoch=0) == []
    await store.close()


async def test_everything_about_the_log_survives_a_restart(stores: Stores) -> None:
    first = await stores.open(epoch=1)
    await first.note_end(0, FIRST + 9)
    sealed = await first.seal(0, 1, lost=True)
    await first.add_gap(0, Gap(FIRST, FIRST + 1))
    gaps = [(gap, gap.at) for gap in await first.gaps(0)]
    await first.close()

    second = await stores.open(6, epoch=2)

    assert await second.epochs() == [Epoch(1, SHARDS), Epoch(2, 6)]
    assert await second.progress_of(0, 1) == sealed
    assert [(gap, gap.at) for gap in await second.gaps(0, epoch=1)] == gaps
    await second.close()
