import pytest

from madang_common.log.position import position, shard_of
from madang_history.pages import LAST_POSITION, Page, Pages, stored_to
from madang_history.store.port import Entry
from madang_history.store.sqlite import SqliteMessageStore

from .conftest import SHARDS

ROOM = "rooms.yard"
SHARD = shard_of(ROOM, SHARDS)


async def fill(store: SqliteMessageStore, *positions: int, kind: str = "message.created") -> None:
    entries = [Entry(n, ROOM, kind, "ana", str(n), b"{}") for n in positions]
    await store.store(SHARD, entries, 7)


@pytest.fixture
def pages(store: SqliteMessageStore) -> Pages:
    return Pages(store)


def shape(page: Page) -> tuple[list[int], int | None, int | None]:
    return [stored.position for stored in page.items], page.before, page.after


async def test_the_newest_page_leads_back_and_on(pages: Pages, store: SqliteMessageStore) -> None:
    await fill(store, *range(10, 20))

    assert shape(await pages.newest(ROOM, 3)) == ([17, 18, 19], 17, 19)
    assert shape(await pages.newest(ROOM, 10)) == (list(range(10, 20)), None, 19)


async def test_an_empty_room_leads_on_from_what_is_stored(
    pages: Pages, store: SqliteMessageStore
) -> None:
    assert shape(await pages.newest(ROOM, 3)) == ([], None, None)

    await store.store(SHARD, [], 7)

    assert shape(await pages.newest(ROOM, 3)) == ([], None, position(7, 0) - 1)


async def test_a_page_before_a_position(pages: Pages, store: SqliteMessageStore) -> None:
    await fill(store, *range(10, 20))

    assert shape(await pages.before(ROOM, 15, 3)) == ([12, 13, 14], 12, 14)
    assert shape(await pages.before(ROOM, 13, 3)) == ([10, 11, 12], None, 12)
    assert shape(await pages.before(ROOM, 10, 3)) == ([], None, 9)
    assert shape(await pages.before(ROOM, 0, 3)) == ([], None, None)


async def test_a_page_after_a_position(pages: Pages, store: SqliteMessageStore) -> None:
    await fill(store, *range(10, 20))

    assert shape(await pages.after(ROOM, 15, 3)) == ([16, 17, 18], 16, 18)
    assert shape(await pages.after(ROOM, 5, 3)) == ([10, 11, 12], None, 12)


async def test_at_the_live_end_the_cursor_stays(pages: Pages, store: SqliteMessageStore) -> None:
    await fill(store, *range(10, 20))

    assert shape(await pages.after(ROOM, 19, 3)) == ([], 20, 19)
    assert shape(await pages.after(ROOM, 25, 3)) == ([], 26, 25)
    assert shape(await pages.after(ROOM, LAST_POSITION, 3)) == ([], LAST_POSITION, LAST_POSITION)
    assert shape(await pages.after("rooms.other", 19, 3)) == ([], None, 19)


async def test_a_page_around_a_position(pages: Pages, store: SqliteMessageStore) -> None:
    await fill(store, *range(10, 20))

    assert shape(await pages.around(ROOM, 15, 4)) == ([13, 14, 15, 16], 13, 16)
    assert shape(await pages.around(ROOM, 15, 5)) == ([13, 14, 15, 16, 17], 13, 17)
    assert shape(await pages.around(ROOM, 15, 1)) == ([15], 15, 15)


async def test_a_page_around_an_end_is_filled_from_the_other_side(
    pages: Pages, store: SqliteMessageStore
) -> None:
    await fill(store, *range(10, 20))

    assert shape(await pages.around(ROOM, 19, 4)) == ([16, 17, 18, 19], 16, 19)
    assert shape(await pages.around(ROOM, 10, 4)) == ([10, 11, 12, 13], None, 13)
    assert shape(await pages.around(ROOM, 15, 100)) == (list(range(10, 20)), None, 19)
    assert shape(await pages.around(ROOM, 99, 2)) == ([18, 19], 18, 19)
    assert shape(await pages.around(ROOM, 0, 2)) == ([10, 11], None, 11)
    assert shape(await pages.around("rooms.other", 5, 2)) == ([], None, 4)


async def test_pages_of_one_kind_leave_the_others_out(
    pages: Pages, store: SqliteMessageStore
) -> None:
    await fill(store, 10, 12, 14)
    await fill(store, 11, 13, 15, kind="member.joined")
    kinds = ["message.created"]

    assert shape(await pages.newest(ROOM, 2, kinds)) == ([12, 14], 12, 14)
    assert shape(await pages.after(ROOM, 10, 5, kinds)) == ([12, 14], 12, 14)
    assert shape(await pages.before(ROOM, 12, 5, kinds)) == ([10], None, 10)
    assert shape(await pages.around(ROOM, 12, 2, kinds)) == ([10, 12], None, 12)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
async def test_paging_both_ways_meets_every_event_once(
    pages: Pages, store: SqliteMessageStore, limit: int
) -> None:
    everything = list(range(1, 60, 3))
    await fill(store, *everything)

    page = await pages.newest(ROOM, limit)
    back = [shape(page)[0]]
    while page.before is not None:
        page = await pages.before(ROOM, page.before, limit)
        back.insert(0, shape(page)[0])
    forth: list[int] = []
    page = await pages.after(ROOM, -1, limit)
    while page.items:
        forth += shape(page)[0]
        assert page.after is not None
        page = await pages.after(ROOM, page.after, limit)

    assert [n for positions in back for n in positions] == everything
    assert forth == everything


def test_nothing_is_stored_up_to_anywhere_at_first() -> None:
    assert stored_to(0) is None
    assert stored_to(1) == 4095
