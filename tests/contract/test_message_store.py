"""The contract of history's store port, for every adapter."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from madang_common.events.envelope import Event
from madang_history.store.port import (
    LAST,
    Gap,
    MessageCount,
    MessageStore,
    StoredEvent,
    StoreMismatch,
    StoreUnavailable,
)
from tests.support.message_stores import SHARDS, Stores

ROOM = "rooms.madang"
SPOKEN = ("message.created",)


@pytest.fixture
async def store(stores: Stores) -> AsyncIterator[MessageStore]:
    store = await stores.open()
    yield store
    await store.close()


def entry(position: int, *, audience: str = ROOM, **changes: Any) -> StoredEvent:
    recipients, _, name = audience.partition(".")
    fields: dict[str, Any] = {
        "key": f"key-{position}",
        "kind": "message.created",
        "sender": "ana",
        "sender_name": "안나",
        "at": "2026-01-01T00:00:00.000Z",
        "data": {"text": f"this is {position}"},
        "room" if recipients == "rooms" else "user": name,
    }
    return StoredEvent(position, Event(**(fields | changes)))


async def count(
    store: MessageStore,
    position: int,
    *,
    upto: int = LAST,
    reader: str = "dan",
    most: int = 100,
) -> MessageCount:
    return await store.count_messages("madang", position, upto=upto, reader=reader, most=most)


def positions(found: list[StoredEvent]) -> list[int]:
    return [stored.position for stored in found]


async def test_a_new_store_is_empty(store: MessageStore) -> None:
    assert store.shards == SHARDS
    assert [await store.progress(shard) for shard in range(SHARDS)] == [0, 0]
    assert await store.before(ROOM, None, 10) == []
    assert await store.after(ROOM, -1, 10) == []
    assert await store.get(ROOM, 1) is None
    assert await store.gaps(0) == []


async def test_what_is_stored_can_be_read_back_as_it_was(store: MessageStore) -> None:
    stored = entry(7, data={"text": "안녕 👋"}, headers={"colour": "blue"})

    new = await store.store(0, [stored], 1)

    assert new == 1
    assert await store.get(ROOM, 7) == stored
    assert await store.by_key(ROOM, "ana", "key-7") == stored
    assert await store.after(ROOM, -1, 1) == [stored]


async def test_progress_is_kept_per_shard_and_never_goes_back(store: MessageStore) -> None:
    await store.store(0, [entry(1)], 5)
    await store.store(1, [], 3)

    await store.store(0, [entry(1)], 4)

    assert [await store.progress(shard) for shard in range(SHARDS)] == [5, 3]


async def test_the_same_batch_again_changes_nothing(store: MessageStore) -> None:
    batch = [entry(1), entry(2)]

    counts = [await store.store(0, batch, 1), await store.store(0, batch, 1)]

    assert counts == [2, 0]
    assert positions(await store.after(ROOM, -1, 10)) == [1, 2]


async def test_the_first_event_with_a_senders_key_counts(store: MessageStore) -> None:
    await store.store(0, [entry(1, key="k")], 1)

    new = await store.store(0, [entry(2, key="k"), entry(3, key="k", sender="bo")], 2)

    assert new == 1
    assert positions(await store.after(ROOM, -1, 10)) == [1, 3]


async def test_the_first_of_two_in_one_batch_counts(store: MessageStore) -> None:
    new = await store.store(0, [entry(1, key="k"), entry(2, key="k")], 1)

    assert new == 1
    assert positions(await store.after(ROOM, -1, 10)) == [1]


async def test_of_two_with_a_key_the_first_counts_whatever_comes_between(
    store: MessageStore,
) -> None:
    batch = [entry(n) for n in range(1, 400)]
    batch[10:11] = [entry(11, key="k")]
    batch[300:301] = [entry(301, key="k")]

    new = await store.store(0, batch, 1)

    assert new == len(batch) - 1
    assert await store.get(ROOM, 301) is None
    found = await store.by_key(ROOM, "ana", "k")
    assert found is not None
    assert found.position == 11


async def test_what_overlaps_counts_only_what_is_new(store: MessageStore) -> None:
    await store.store(0, [entry(1), entry(2)], 2)

    new = await store.store(0, [entry(1), entry(2), entry(3), entry(4, key="key-1")], 4)

    assert new == 1
    assert positions(await store.after(ROOM, -1, 10)) == [1, 2, 3]


async def test_writers_that_overlap_leave_everything_there_once(stores: Stores) -> None:
    writers = [await stores.open() for _ in range(3)]
    entries = [entry(n, key=f"key-{n % 50}") for n in range(100)]

    async def write(store: MessageStore, step: int) -> int:
        """Store all of it from the beginning, `step` at a time."""
        new = 0
        for begin in range(0, len(entries), step):
            new += await store.store(0, entries[begin : begin + step], begin + step)
        return new

    new = await asyncio.gather(
        *(write(store, step) for store, step in zip(writers, (7, 20, 100), strict=True))
    )

    assert sum(new) == 50
    assert positions(await writers[0].after(ROOM, -1, 1000)) == list(range(50))
    assert await writers[0].progress(0) == 105
    for store in writers:
        await store.close()


async def test_a_key_counts_within_its_audience_only(store: MessageStore) -> None:
    await store.store(0, [entry(1, key="k"), entry(2, key="k", audience="users.ana")], 1)

    assert positions(await store.after(ROOM, -1, 10)) == [1]
    assert positions(await store.after("users.ana", -1, 10)) == [2]


async def test_two_shards_may_use_the_same_position(store: MessageStore) -> None:
    await store.store(0, [entry(1)], 1)
    await store.store(1, [entry(1, audience="rooms.other")], 1)

    assert positions(await store.after(ROOM, -1, 10)) == [1]
    assert positions(await store.after("rooms.other", -1, 10)) == [1]


async def test_ranges_leave_out_where_they_begin(store: MessageStore) -> None:
    await store.store(0, [entry(n) for n in range(1, 8)], 1)

    assert positions(await store.before(ROOM, 5, 2)) == [3, 4]
    assert positions(await store.before(ROOM, None, 3)) == [5, 6, 7]
    assert positions(await store.before(ROOM, 1, 3)) == []
    assert positions(await store.after(ROOM, 5, 10)) == [6, 7]
    assert positions(await store.after(ROOM, -1, 2)) == [1, 2]
    assert positions(await store.after(ROOM, 7, 2)) == []


async def test_ranges_begin_at_positions_where_nothing_is(store: MessageStore) -> None:
    await store.store(0, [entry(10), entry(20)], 1)

    assert positions(await store.before(ROOM, 15, 5)) == [10]
    assert positions(await store.after(ROOM, 15, 5)) == [20]


async def test_ranges_can_be_of_some_kinds(store: MessageStore) -> None:
    kinds = ["message.created", "member.joined", "room.updated", "message.created"]
    await store.store(0, [entry(n, kind=kind) for n, kind in enumerate(kinds)], 1)

    assert positions(await store.after(ROOM, -1, 10, SPOKEN)) == [0, 3]
    assert positions(await store.before(ROOM, 3, 1, SPOKEN)) == [0]
    assert positions(await store.after(ROOM, -1, 2, ["room.updated", *SPOKEN])) == [0, 2]
    assert positions(await store.before(ROOM, None, 2, ["room.updated", *SPOKEN])) == [2, 3]
    assert positions(await store.after(ROOM, -1, 10, ["no.such"])) == []
    assert positions(await store.after(ROOM, -1, 10, [*SPOKEN, *SPOKEN])) == [0, 3]


async def test_the_largest_position_is_found(store: MessageStore) -> None:
    largest = (1 << 60) - 1
    await store.store(0, [entry(largest)], 1)

    assert positions(await store.before(ROOM, None, 1)) == [largest]
    assert positions(await store.after(ROOM, largest - 1, 1)) == [largest]


async def test_one_event_is_only_of_its_own_audience(store: MessageStore) -> None:
    await store.store(0, [entry(1)], 1)

    assert await store.get(ROOM, 1) is not None
    assert await store.get("rooms.other", 1) is None


async def test_an_audience_whose_name_begins_like_another_is_another(store: MessageStore) -> None:
    others = [f"{ROOM}/", f"{ROOM}/00000000000v", f"{ROOM}s", f"{ROOM}~", ROOM[:-1]]
    await store.store(0, [entry(n, audience=name) for n, name in enumerate(others)], 1)
    await store.store(0, [entry(3)], 1)

    assert positions(await store.before(ROOM, None, 10)) == [3]
    assert positions(await store.after(ROOM, -1, 10)) == [3]
    assert await count(store, -1) == MessageCount(1, 1)
    assert [positions(await store.after(name, -1, 10)) for name in others] == [
        [0],
        [1],
        [2],
        [3],
        [4],
    ]


async def test_names_may_be_anything_that_text_can_be(store: MessageStore) -> None:
    odd = {"sender": "$where: 안나.\0", "key": "a.b$\0c👋" * 100, "kind": "$kind"}
    await store.store(0, [entry(1, audience="rooms.$x.\0", **odd)], 1)

    found = await store.by_key("rooms.$x.\0", odd["sender"], odd["key"])

    assert found is not None
    assert positions(await store.after("rooms.$x.\0", -1, 10, ["$kind"])) == [1]


async def test_an_event_is_found_by_its_key(store: MessageStore) -> None:
    await store.store(0, [entry(1, key="k"), entry(2, key="k", sender="bo")], 1)

    found = await store.by_key(ROOM, "bo", "k")

    assert found is not None
    assert found.position == 2
    assert await store.by_key(ROOM, "cy", "k") is None
    assert await store.by_key("rooms.other", "bo", "k") is None


async def test_counting_stops_where_it_is_told(store: MessageStore) -> None:
    await store.store(0, [entry(n) for n in range(5)] + [entry(9, kind="member.left")], 1)

    assert await count(store, -1) == MessageCount(5, 5)
    assert await count(store, 1) == MessageCount(3, 3)
    assert await count(store, -1, most=2) == MessageCount(2, 2)
    assert await count(store, 9) == MessageCount(0, 0)
    assert await count(store, -1, upto=3) == MessageCount(4, 4)
    assert await count(store, 3, upto=3) == MessageCount(0, 0)
    assert await count(store, -1, upto=-1) == MessageCount(0, 0)


@pytest.mark.parametrize("reader", ["bo", "$sender", "b\0o.$"])
async def test_a_readers_own_events_are_not_counted(store: MessageStore, reader: str) -> None:
    senders = ["ana", reader, reader, "cy", "ana"]
    await store.store(0, [entry(n, sender=sender) for n, sender in enumerate(senders)], 1)

    assert await count(store, -1, reader=reader) == MessageCount(3, 5)
    assert await count(store, 0, reader=reader) == MessageCount(2, 4)
    assert await count(store, 0, reader=reader, most=3) == MessageCount(1, 3)
    assert await count(store, 0, reader=reader, upto=2) == MessageCount(0, 2)
    assert await count(store, -1, reader="ana") == MessageCount(3, 5)


async def test_a_range_may_have_an_end(store: MessageStore) -> None:
    await store.store(0, [entry(n) for n in (1, 2, 3, LAST)], 1)

    for kinds in ((), SPOKEN):
        assert positions(await store.after(ROOM, 1, 10, kinds, upto=2)) == [2]
        assert positions(await store.after(ROOM, 1, 10, kinds, upto=1)) == []
        assert positions(await store.after(ROOM, -1, 10, kinds, upto=-1)) == []
        assert positions(await store.after(ROOM, 2, 10, kinds, upto=LAST)) == [3, LAST]
        assert positions(await store.before(ROOM, LAST + 1, 2, kinds)) == [3, LAST]


async def test_holes_are_kept_in_order(store: MessageStore) -> None:
    await store.add_gap(0, Gap(40, 50))
    await store.add_gap(0, Gap(0, 10))
    await store.add_gap(0, Gap(40, 50))
    await store.add_gap(1, Gap(1, 2))

    assert await store.gaps(0) == [Gap(0, 10), Gap(40, 50)]
    assert await store.gaps(1) == [Gap(1, 2)]


async def test_everything_survives_a_restart(stores: Stores) -> None:
    first = await stores.open()
    await first.store(1, [entry(1), entry(2)], 9)
    await first.add_gap(1, Gap(0, 4))
    await first.close()

    second = await stores.open()

    assert await second.progress(1) == 9
    assert positions(await second.after(ROOM, -1, 10)) == [1, 2]
    assert await second.gaps(1) == [Gap(0, 4)]
    await second.close()


async def test_a_store_of_another_shard_count_is_refused(stores: Stores) -> None:
    await (await stores.open(2)).close()

    with pytest.raises(StoreMismatch, match="2 shards, not 3"):
        await stores.open(3)

    await (await stores.open(2)).close()


async def test_a_closed_store_says_so(stores: Stores) -> None:
    store = await stores.open()
    await store.ping()

    await store.close()
    await store.close()

    with pytest.raises(StoreUnavailable):
        await store.ping()
    with pytest.raises(StoreUnavailable):
        await store.store(0, [entry(1)], 1)
