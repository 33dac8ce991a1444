"""The contract of the presence port, for every adapter."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from madang_common.ids import new_id
from madang_common.redis.endpoint import RedisEndpoint
from madang_gateway.presence.port import (
    EnrolmentLost,
    PresenceBatch,
    PresenceEntry,
    PresenceStore,
    PresenceStoreError,
    WriteResult,
)
from madang_gateway.presence.redis import RedisPresence

ROOM = "yard"
LONG_SECONDS = 60.0
PATIENCE_SECONDS = 20

MakeStore = Callable[[], PresenceStore]


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[PresenceStore]:
    store = make_store()
    yield store
    await store.close()


class Gateway:
    """A gateway that writes given entries."""

    def __init__(self, store: PresenceStore) -> None:
        self.store = store
        self.id = new_id()
        self.number = 0

    @classmethod
    async def enrolled(cls, store: PresenceStore, seconds: float = LONG_SECONDS) -> "Gateway":
        gateway = cls(store)
        await store.enroll(gateway.id, seconds)
        return gateway

    async def write(
        self, joined: tuple[PresenceEntry, ...] = (), left: tuple[PresenceEntry, ...] = ()
    ) -> tuple[list[str], list[str]]:
        """Return the users who joined and left, over all gateways."""
        self.number += 1
        return changed(await self.store.write(self.id, PresenceBatch(self.number, joined, left)))

    async def join(self, *users: str, room: str = ROOM) -> list[str]:
        return (await self.write(entries(*users, room=room)))[0]

    async def leave(self, *users: str, room: str = ROOM) -> list[str]:
        return (await self.write((), entries(*users, room=room)))[1]

    async def until_dead(self, watcher: "Gateway") -> None:
        """Wait until `watcher` learns that this gateway's lease expired."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.id not in await watcher.renew():  # noqa: ASYNC110 - the store sends no events
                await asyncio.sleep(0.005)

    async def renew(self, seconds: float = LONG_SECONDS) -> tuple[str, ...]:
        return await self.store.renew(self.id, self.number, seconds)


def entries(*users: str, room: str = ROOM) -> tuple[PresenceEntry, ...]:
    return tuple(PresenceEntry(room, user, user.title()) for user in users)


def changed(result: WriteResult) -> tuple[list[str], list[str]]:
    return (
        [change.entry.user for change in result.joined],
        [change.entry.user for change in result.left],
    )


async def users(store: PresenceStore, room: str = ROOM) -> list[str]:
    found = await store.page(room, after="", limit=200)
    assert found.count == len(found.users)
    return [user for user, _ in found.users]


async def test_an_available_store_answers_a_ping(store: PresenceStore) -> None:
    await store.ping()


async def test_a_ping_of_an_unavailable_redis_fails() -> None:
    store = RedisPresence.at(
        RedisEndpoint.at("redis://127.0.0.1:1/0"), connections=1, timeout_seconds=1
    )

    with pytest.raises(PresenceStoreError):
        await store.ping()
    await store.close()


async def test_a_user_is_present_from_join_to_leave(store: PresenceStore) -> None:
    gateway = await Gateway.enrolled(store)

    assert await users(store) == []
    assert await gateway.join("mina", "jun") == ["mina", "jun"]
    assert await users(store) == ["jun", "mina"]
    assert await users(store, "well") == []
    assert await gateway.leave("mina") == ["mina"]
    assert await users(store) == ["jun"]


async def test_a_user_on_two_gateways_joins_once_and_leaves_once(store: PresenceStore) -> None:
    one, two = await Gateway.enrolled(store), await Gateway.enrolled(store)

    assert await one.join("mina") == ["mina"]
    assert await two.join("mina") == []
    assert await users(store) == ["mina"]
    assert await one.leave("mina") == []
    assert await users(store) == ["mina"]
    assert await two.leave("mina") == ["mina"]
    assert await users(store) == []


async def test_a_change_has_name_count_and_time(store: PresenceStore) -> None:
    gateway = await Gateway.enrolled(store)
    mina = PresenceEntry(ROOM, "mina", "미나 🌿")
    batch = PresenceBatch(1, (PresenceEntry(ROOM, "jun", "Jun"), mina), ())

    came = (await store.write(gateway.id, batch)).joined
    (went,) = (await store.write(gateway.id, PresenceBatch(2, (), (mina,)))).left
    left = await store.page(ROOM, after="", limit=1)

    assert [(change.entry, change.count) for change in came] == [
        (PresenceEntry(ROOM, "jun", "Jun"), 1),
        (mina, 2),
    ]
    assert (went.entry, went.count) == (mina, 1)
    assert came[1].at <= went.at <= left.at


async def test_a_new_name_is_no_change(store: PresenceStore) -> None:
    gateway = await Gateway.enrolled(store)
    await gateway.join("mina")

    again = await gateway.write((PresenceEntry(ROOM, "mina", "Min-a"),))

    assert again == ([], [])
    (person,) = (await store.page(ROOM, after="", limit=9)).users
    assert person == ("mina", "Min-a")


async def test_leaving_without_an_entry_is_no_change(store: PresenceStore) -> None:
    gateway = await Gateway.enrolled(store)
    await gateway.join("mina")

    assert await gateway.leave("jun") == []
    assert await gateway.leave("mina", room="well") == []
    assert await users(store) == ["mina"]


async def test_ids_that_begin_alike_are_different_users(store: PresenceStore) -> None:
    one, two = await Gateway.enrolled(store), await Gateway.enrolled(store)
    await one.join("a", "ab", "abc")
    await two.join("ab")

    assert await one.leave("a", "ab") == ["a"]
    assert await users(store) == ["ab", "abc"]


async def test_pages_follow_one_another_over_all_gateways(store: PresenceStore) -> None:
    gateways = [await Gateway.enrolled(store) for _ in range(3)]
    everyone = [f"user{number:03}" for number in range(50)]
    for number, gateway in enumerate(gateways):
        await gateway.join(*everyone[number * 10 : 30 + number * 10])

    found: list[str] = []
    more = True
    while more:
        page = await store.page(ROOM, after=found[-1] if found else "", limit=7)
        assert page.count == 50
        assert len(page.users) == 7 or not page.more
        found += [user for user, _ in page.users]
        more = page.more

    assert found == everyone


async def test_a_full_last_page_has_no_next_page(store: PresenceStore) -> None:
    one, two = await Gateway.enrolled(store), await Gateway.enrolled(store)
    await one.join("a", "b", "c")
    await two.join("a", "b", "c")

    assert not (await store.page(ROOM, after="", limit=3)).more
    assert (await store.page(ROOM, after="", limit=2)).more
    assert (await store.page(ROOM, after="c", limit=2)).users == ()


async def test_a_batch_written_twice_counts_once(store: PresenceStore) -> None:
    gateway = await Gateway.enrolled(store)
    batch = PresenceBatch(1, entries("mina"), ())

    assert changed(await store.write(gateway.id, batch)) == (["mina"], [])
    assert changed(await store.write(gateway.id, batch)) == ([], [])
    assert await users(store) == ["mina"]
    await store.renew(gateway.id, 1, LONG_SECONDS)


async def test_a_gateway_that_is_not_enrolled_must_enroll(store: PresenceStore) -> None:
    stranger = Gateway(store)

    with pytest.raises(EnrolmentLost):
        await stranger.renew()
    with pytest.raises(EnrolmentLost):
        await stranger.join("mina")
    assert await users(store) == []


async def test_a_gateway_whose_last_batch_is_missing_must_enroll(store: PresenceStore) -> None:
    gateway = await Gateway.enrolled(store)
    await gateway.join("mina")
    gateway.number += 1

    with pytest.raises(EnrolmentLost):
        await gateway.renew()
    with pytest.raises(EnrolmentLost):
        await gateway.join("jun")
    assert await users(store) == ["mina"]


async def test_the_data_has_one_id(make_store: MakeStore) -> None:
    async with AsyncExitStack() as stack:
        stores = [make_store(), make_store()]
        for store in stores:
            stack.push_async_callback(store.close)

        names = {await store.enroll(new_id(), LONG_SECONDS) for store in stores}

        assert len(names) == 1


async def test_a_gateway_with_a_valid_lease_is_not_cleared(store: PresenceStore) -> None:
    one, two = await Gateway.enrolled(store, 0.05), await Gateway.enrolled(store)
    await one.join("mina")

    await one.renew()
    await asyncio.sleep(0.1)

    assert await two.renew() == ()
    assert await store.clear(one.id, 10) == ((), True)
    assert await users(store) == ["mina"]


async def test_clear_removes_the_entries_of_a_dead_gateway(store: PresenceStore) -> None:
    dead, alive = await Gateway.enrolled(store, 0.05), await Gateway.enrolled(store)
    await dead.join("jun", "mina")
    await dead.join("jun", room="well")
    await alive.join("mina")

    await dead.until_dead(alive)
    cleared = await store.clear(dead.id, 10)

    assert cleared.done
    assert {(change.entry.room, change.entry.user) for change in cleared.left} == {
        (ROOM, "jun"),
        ("well", "jun"),
    }
    assert {change.entry.name for change in cleared.left} == {"Jun"}
    assert await users(store) == ["mina"]
    assert await users(store, "well") == []
    assert await alive.renew() == ()


async def test_concurrent_clears_remove_each_entry_once(make_store: MakeStore) -> None:
    async with AsyncExitStack() as stack:
        stores = [make_store() for _ in range(4)]
        for store in stores:
            stack.push_async_callback(store.close)
        dead = await Gateway.enrolled(stores[0], 0.05)
        alive = await Gateway.enrolled(stores[1])
        everyone = [f"user{number:03}" for number in range(100)]
        await dead.join(*everyone)
        await dead.until_dead(alive)

        async def clear(store: PresenceStore) -> list[str]:
            left: list[str] = []
            done = False
            while not done:
                cleared = await store.clear(dead.id, 7)
                assert len(cleared.left) <= 7
                left += [change.entry.user for change in cleared.left]
                done = cleared.done
            return left

        shares = await asyncio.gather(*(clear(store) for store in stores))

        assert sorted(user for share in shares for user in share) == everyone
        assert await users(stores[0]) == []


async def test_a_gateway_that_is_being_cleared_must_enroll_again(store: PresenceStore) -> None:
    paused, alive = await Gateway.enrolled(store, 0.05), await Gateway.enrolled(store)
    await paused.join("jun", "mina")
    await paused.until_dead(alive)
    assert not (await store.clear(paused.id, 1)).done

    with pytest.raises(EnrolmentLost):
        await paused.renew()
    with pytest.raises(EnrolmentLost):
        await paused.join("ara")
    anew = await Gateway.enrolled(store)
    came = await anew.join("jun", "mina")
    rest = await store.clear(paused.id, 10)

    assert len(came) == 1
    assert (rest.left, rest.done) == ((), True)
    assert await users(store) == ["jun", "mina"]


async def test_a_late_renewal_keeps_the_entries(store: PresenceStore) -> None:
    late, alive = await Gateway.enrolled(store, 0.05), await Gateway.enrolled(store)
    await late.join("mina")
    await late.until_dead(alive)

    await late.renew()

    assert late.id not in await alive.renew()
    assert await store.clear(late.id, 10) == ((), True)
    assert await users(store) == ["mina"]


async def test_retire_shortens_the_lease(store: PresenceStore) -> None:
    retired, alive = await Gateway.enrolled(store), await Gateway.enrolled(store)
    await retired.join("mina")

    await store.retire(retired.id, LONG_SECONDS)
    assert await alive.renew() == ()
    await store.retire(retired.id, 0.05)
    await retired.until_dead(alive)

    assert [change.entry.user for change in (await store.clear(retired.id, 10)).left] == ["mina"]
    await store.retire(retired.id, LONG_SECONDS)
    assert await alive.renew() == ()


async def test_a_call_can_be_cancelled_at_any_moment(store: PresenceStore) -> None:
    gateway = await Gateway.enrolled(store)
    for turns in range(40):
        asking = asyncio.create_task(gateway.renew())
        for _ in range(turns):
            await asyncio.sleep(0)
        ended = asking.cancel()
        await asyncio.wait([asking])

        assert asking.cancelled() == ended
