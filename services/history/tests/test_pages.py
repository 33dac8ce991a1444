import pytest

from madang_common.log.position import position, shard_of
from madang_history.store.coverage import Coverage
from madang_history.store.pages import EventSeries, Page, Pages, Snapshot, current_snapshot
from madang_history.store.port import LAST, Kinds, StoredEvent
from madang_history.store.sqlite import SqliteMessageStore

from .conftest import SHARDS, an_event

ROOM = "rooms.yard"
SHARD = shard_of(ROOM, SHARDS)
END = position(7, 0) - 1
OTHER = "rooms.other"


async def fill(store: SqliteMessageStore, *positions: int, kind: str = "message.created") -> None:
    entries = [StoredEvent(n, an_event(str(n), kind=kind)) for n in positions]
    await store.store(SHARD, entries, 7)


class Make:
    """Makes the pages of an audience."""

    def __init__(self, store: SqliteMessageStore) -> None:
        self._store = store

    def __call__(
        self, upto: int = END, audience: str = ROOM, kinds: Kinds = ()
    ) -> Pages[StoredEvent]:
        return Pages(EventSeries(self._store, audience, kinds), upto)


@pytest.fixture
def pages(store: SqliteMessageStore) -> Make:
    return Make(store)


def shape(page: Page[StoredEvent]) -> tuple[list[int], int | None, int | None]:
    return [stored.position for stored in page.items], page.before, page.after


async def snapshot(store: SqliteMessageStore) -> Snapshot:
    return await current_snapshot(Coverage(store), ROOM)


async def test_the_newest_page_has_cursors_both_ways(
    pages: Make, store: SqliteMessageStore
) -> None:
    await fill(store, *range(10, 20))

    assert shape(await pages().newest(3)) == ([17, 18, 19], 17, 19)
    assert shape(await pages().newest(10)) == (list(range(10, 20)), None, 19)


async def test_an_empty_room_has_a_cursor_at_what_is_stored(
    pages: Make, store: SqliteMessageStore
) -> None:
    assert shape(await pages((await snapshot(store)).upto).newest(3)) == (
        [],
        None,
        None,
    )

    await store.store(SHARD, [], 7)

    assert shape(await pages((await snapshot(store)).upto).newest(3)) == (
        [],
        None,
        END,
    )


async def test_a_page_before_a_position(pages: Make, store: SqliteMessageStore) -> None:
    await fill(store, *range(10, 20))

    assert shape(await pages().before(15, 3)) == ([12, 13, 14], 12, 14)
    assert shape(await pages().before(13, 3)) == ([10, 11, 12], None, 12)
    assert shape(await pages().before(10, 3)) == ([], None, 9)
    assert shape(await pages().before(0, 3)) == ([], None, None)


async def test_a_page_after_a_position(pages: Make, store: SqliteMessageStore) -> None:
    await fill(store, *range(10, 20))

    assert shape(await pages().after(15, 3)) == ([16, 17, 18], 16, 18)
    assert shape(await pages().after(5, 3)) == ([10, 11, 12], None, 12)


async def test_after_the_newest_event_the_cursor_stays(
    pages: Make, store: SqliteMessageStore
) -> None:
    await fill(store, *range(10, 20))

    assert shape(await pages().after(19, 3)) == ([], 20, 19)
    assert shape(await pages().after(25, 3)) == ([], 26, 25)
    assert shape(await pages().after(LAST, 3)) == ([], LAST, LAST)
    assert shape(await pages(audience=OTHER).after(19, 3)) == ([], None, 19)


async def test_a_page_around_a_position(pages: Make, store: SqliteMessageStore) -> None:
    await fill(store, *range(10, 20))

    assert shape(await pages().around(15, 4)) == ([13, 14, 15, 16], 13, 16)
    assert shape(await pages().around(15, 5)) == ([13, 14, 15, 16, 17], 13, 17)
    assert shape(await pages().around(15, 1)) == ([15], 15, 15)


async def test_a_page_around_an_end_is_filled_from_the_other_side(
    pages: Make, store: SqliteMessageStore
) -> None:
    await fill(store, *range(10, 20))

    assert shape(await pages().around(19, 4)) == ([16, 17, 18, 19], 16, 19)
    assert shape(await pages().around(10, 4)) == ([10, 11, 12, 13], None, 13)
    assert shape(await pages().around(15, 100)) == (list(range(10, 20)), None, 19)
    assert shape(await pages().around(99, 2)) == ([18, 19], 18, 19)
    assert shape(await pages().around(0, 2)) == ([10, 11], None, 11)
    assert shape(await pages(audience=OTHER).around(5, 2)) == ([], None, 4)


async def test_pages_of_one_kind_leave_the_others_out(
    pages: Make, store: SqliteMessageStore
) -> None:
    await fill(store, 10, 12, 14)
    await fill(store, 11, 13, 15, kind="member.joined")
    kinds = ["message.created"]

    assert shape(await pages(kinds=kinds).newest(2)) == ([12, 14], 12, 14)
    assert shape(await pages(kinds=kinds).after(10, 5)) == ([12, 14], 12, 14)
    assert shape(await pages(kinds=kinds).before(12, 5)) == ([10], None, 10)
    assert shape(await pages(kinds=kinds).around(12, 2)) == ([10, 12], None, 12)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
async def test_paging_both_ways_returns_every_event_once(
    pages: Make, store: SqliteMessageStore, limit: int
) -> None:
    everything = list(range(1, 60, 3))
    await fill(store, *everything)

    page = await pages().newest(limit)
    back = [shape(page)[0]]
    while page.before is not None:
        page = await pages().before(page.before, limit)
        back.insert(0, shape(page)[0])
    forth: list[int] = []
    page = await pages().after(-1, limit)
    while page.items:
        forth += shape(page)[0]
        assert page.after is not None
        page = await pages().after(page.after, limit)

    assert [n for positions in back for n in positions] == everything
    assert forth == everything


async def test_a_page_has_no_events_after_the_snapshot(
    pages: Make, store: SqliteMessageStore
) -> None:
    await fill(store, *range(10, 20))
    early = pages(14)

    assert shape(await early.newest(3)) == ([12, 13, 14], 12, 14)
    assert shape(await early.before(18, 3)) == ([12, 13, 14], 12, 14)
    assert shape(await early.before(LAST, 3)) == ([12, 13, 14], 12, 14)
    assert shape(await early.after(12, 5)) == ([13, 14], 13, 14)
    assert shape(await early.after(14, 5)) == ([], 15, 14)
    assert shape(await early.after(17, 5)) == ([], 18, 17)
    assert shape(await early.around(14, 4)) == ([11, 12, 13, 14], 11, 14)
    assert shape(await early.around(18, 4)) == ([11, 12, 13, 14], 11, 14)


async def test_later_events_are_not_skipped_by_paging(
    pages: Make, store: SqliteMessageStore
) -> None:
    await fill(store, 10, 11)
    early = pages(9, OTHER)

    for page in (await early.before(50, 3), await early.around(50, 3)):
        assert shape(page) == ([], None, 9)
    for page in (await pages(-1).before(5, 3), await pages(audience=OTHER).newest(3)):
        assert page.items == ()


async def test_the_snapshot_of_an_empty_store_is_empty(store: SqliteMessageStore) -> None:
    assert await snapshot(store) == Snapshot(ROOM, -1)


async def test_a_snapshot_ends_with_the_last_stored_batch(store: SqliteMessageStore) -> None:
    await store.store(shard_of(ROOM, SHARDS), [], 1)

    assert await snapshot(store) == Snapshot(ROOM, 4095)
