"""The contract of the presence port, for every adapter and several gateways."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from madang_common.ids import new_id
from madang_gateway.presence.port import Batch, Forgotten, Outcome, PresenceEntry, PresenceStore

ROOM = "yard"
LONG_SECONDS = 60.0
PATIENCE_SECONDS = 20

MakeBoard = Callable[[], PresenceStore]


@pytest.fixture
async def board(make_board: MakeBoard) -> AsyncIterator[PresenceStore]:
    board = make_board()
    yield board
    await board.close()


class Gateway:
    """A gateway that writes given entries."""

    def __init__(self, board: PresenceStore) -> None:
        self.board = board
        self.id = new_id()
        self.number = 0

    @classmethod
    async def enrolled(cls, board: PresenceStore, seconds: float = LONG_SECONDS) -> "Gateway":
        gateway = cls(board)
        await board.enroll(gateway.id, seconds)
        return gateway

    async def write(
        self, joined: tuple[PresenceEntry, ...] = (), left: tuple[PresenceEntry, ...] = ()
    ) -> tuple[list[str], list[str]]:
        """Return the joins and leaves of all gateways together."""
        self.number += 1
        return told(await self.board.write(self.id, Batch(self.number, joined, left)))

    async def join(self, *users: str, room: str = ROOM) -> list[str]:
        return (await self.write(stays(*users, room=room)))[0]

    async def leave(self, *users: str, room: str = ROOM) -> list[str]:
        return (await self.write((), stays(*users, room=room)))[1]

    async def until_dead(self, watcher: "Gateway") -> None:
        """Wait until `watcher` sees this gateway expire."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.id not in await watcher.renew():  # noqa: ASYNC110 - the board tells no one
                await asyncio.sleep(0.005)

    async def renew(self, seconds: float = LONG_SECONDS) -> tuple[str, ...]:
        return await self.board.renew(self.id, self.number, seconds)


def stays(*users: str, room: str = ROOM) -> tuple[PresenceEntry, ...]:
    return tuple(PresenceEntry(room, user, user.title()) for user in users)


def told(outcome: Outcome) -> tuple[list[str], list[str]]:
    return (
        [turn.stay.user for turn in outcome.joined],
        [turn.stay.user for turn in outcome.left],
    )


async def users(board: PresenceStore, room: str = ROOM) -> list[str]:
    found = await board.present(room, after="", limit=200)
    assert found.count == len(found.people)
    return [user for user, _ in found.people]


async def test_whoever_joins_is_present_until_they_leave(board: PresenceStore) -> None:
    gateway = await Gateway.enrolled(board)

    assert await users(board) == []
    assert await gateway.join("mina", "jun") == ["mina", "jun"]
    assert await users(board) == ["jun", "mina"]
    assert await users(board, "well") == []
    assert await gateway.leave("mina") == ["mina"]
    assert await users(board) == ["jun"]


async def test_a_user_on_two_gateways_comes_once_and_goes_once(board: PresenceStore) -> None:
    one, two = await Gateway.enrolled(board), await Gateway.enrolled(board)

    assert await one.join("mina") == ["mina"]
    assert await two.join("mina") == []
    assert await users(board) == ["mina"]
    assert await one.leave("mina") == []
    assert await users(board) == ["mina"]
    assert await two.leave("mina") == ["mina"]
    assert await users(board) == []


async def test_a_turn_tells_name_count_and_time(board: PresenceStore) -> None:
    gateway = await Gateway.enrolled(board)
    mina = PresenceEntry(ROOM, "mina", "미나 🌿")
    batch = Batch(1, (PresenceEntry(ROOM, "jun", "Jun"), mina), ())

    came = (await board.write(gateway.id, batch)).joined
    (went,) = (await board.write(gateway.id, Batch(2, (), (mina,)))).left
    left = await board.present(ROOM, after="", limit=1)

    assert [(turn.stay, turn.count) for turn in came] == [
        (PresenceEntry(ROOM, "jun", "Jun"), 1),
        (mina, 2),
    ]
    assert (went.stay, went.count) == (mina, 1)
    assert came[1].at <= went.at <= left.at


async def test_a_new_name_is_no_turn(board: PresenceStore) -> None:
    gateway = await Gateway.enrolled(board)
    await gateway.join("mina")

    again = await gateway.write((PresenceEntry(ROOM, "mina", "Min-a"),))

    assert again == ([], [])
    (person,) = (await board.present(ROOM, after="", limit=9)).people
    assert person == ("mina", "Min-a")


async def test_leaving_where_one_is_not_is_no_turn(board: PresenceStore) -> None:
    gateway = await Gateway.enrolled(board)
    await gateway.join("mina")

    assert await gateway.leave("jun") == []
    assert await gateway.leave("mina", room="well") == []
    assert await users(board) == ["mina"]


async def test_ids_that_begin_alike_are_different_users(board: PresenceStore) -> None:
    one, two = await Gateway.enrolled(board), await Gateway.enrolled(board)
    await one.join("a", "ab", "abc")
    await two.join("ab")

    assert await one.leave("a", "ab") == ["a"]
    assert await users(board) == ["ab", "abc"]


async def test_pages_follow_one_another_over_all_gateways(board: PresenceStore) -> None:
    gateways = [await Gateway.enrolled(board) for _ in range(3)]
    everyone = [f"user{number:03}" for number in range(50)]
    for number, gateway in enumerate(gateways):
        await gateway.join(*everyone[number * 10 : 30 + number * 10])

    found: list[str] = []
    more = True
    while more:
        page = await board.present(ROOM, after=found[-1] if found else "", limit=7)
        assert page.count == 50
        assert len(page.people) == 7 or not page.more
        found += [user for user, _ in page.people]
        more = page.more

    assert found == everyone


async def test_the_last_page_says_so_though_it_is_full(board: PresenceStore) -> None:
    one, two = await Gateway.enrolled(board), await Gateway.enrolled(board)
    await one.join("a", "b", "c")
    await two.join("a", "b", "c")

    assert not (await board.present(ROOM, after="", limit=3)).more
    assert (await board.present(ROOM, after="", limit=2)).more
    assert (await board.present(ROOM, after="c", limit=2)).people == ()


async def test_a_batch_written_twice_counts_once(board: PresenceStore) -> None:
    gateway = await Gateway.enrolled(board)
    batch = Batch(1, stays("mina"), ())

    assert told(await board.write(gateway.id, batch)) == (["mina"], [])
    assert told(await board.write(gateway.id, batch)) == ([], [])
    assert await users(board) == ["mina"]
    await board.renew(gateway.id, 1, LONG_SECONDS)


async def test_a_gateway_that_is_not_enrolled_is_forgotten(board: PresenceStore) -> None:
    stranger = Gateway(board)

    with pytest.raises(Forgotten):
        await stranger.renew()
    with pytest.raises(Forgotten):
        await stranger.join("mina")
    assert await users(board) == []


async def test_a_gateway_whose_last_write_is_missing_is_forgotten(board: PresenceStore) -> None:
    gateway = await Gateway.enrolled(board)
    await gateway.join("mina")
    gateway.number += 1

    with pytest.raises(Forgotten):
        await gateway.renew()
    with pytest.raises(Forgotten):
        await gateway.join("jun")
    assert await users(board) == ["mina"]


async def test_the_life_of_the_board_has_one_name(make_board: MakeBoard) -> None:
    async with AsyncExitStack() as stack:
        boards = [make_board(), make_board()]
        for board in boards:
            stack.push_async_callback(board.close)

        names = {await board.enroll(new_id(), LONG_SECONDS) for board in boards}

        assert len(names) == 1


async def test_a_gateway_that_renews_is_not_cleared(board: PresenceStore) -> None:
    one, two = await Gateway.enrolled(board, 0.05), await Gateway.enrolled(board)
    await one.join("mina")

    await one.renew()
    await asyncio.sleep(0.1)

    assert await two.renew() == ()
    assert await board.clear(one.id, 10) == ((), True)
    assert await users(board) == ["mina"]


async def test_a_dead_gateways_notes_go_when_they_are_cleared(board: PresenceStore) -> None:
    dead, alive = await Gateway.enrolled(board, 0.05), await Gateway.enrolled(board)
    await dead.join("jun", "mina")
    await dead.join("jun", room="well")
    await alive.join("mina")

    await dead.until_dead(alive)
    cleared = await board.clear(dead.id, 10)

    assert cleared.done
    assert {(turn.stay.room, turn.stay.user) for turn in cleared.left} == {
        (ROOM, "jun"),
        ("well", "jun"),
    }
    assert {turn.stay.name for turn in cleared.left} == {"Jun"}
    assert await users(board) == ["mina"]
    assert await users(board, "well") == []
    assert await alive.renew() == ()


async def test_many_who_clear_share_the_work(make_board: MakeBoard) -> None:
    async with AsyncExitStack() as stack:
        boards = [make_board() for _ in range(4)]
        for board in boards:
            stack.push_async_callback(board.close)
        dead = await Gateway.enrolled(boards[0], 0.05)
        alive = await Gateway.enrolled(boards[1])
        everyone = [f"user{number:03}" for number in range(100)]
        await dead.join(*everyone)
        await dead.until_dead(alive)

        async def clear(board: PresenceStore) -> list[str]:
            left: list[str] = []
            done = False
            while not done:
                cleared = await board.clear(dead.id, 7)
                assert len(cleared.left) <= 7
                left += [turn.stay.user for turn in cleared.left]
                done = cleared.done
            return left

        shares = await asyncio.gather(*(clear(board) for board in boards))

        assert sorted(user for share in shares for user in share) == everyone
        assert await users(boards[0]) == []


async def test_a_gateway_that_is_being_cleared_must_enroll_anew(board: PresenceStore) -> None:
    paused, alive = await Gateway.enrolled(board, 0.05), await Gateway.enrolled(board)
    await paused.join("jun", "mina")
    await paused.until_dead(alive)
    assert not (await board.clear(paused.id, 1)).done

    with pytest.raises(Forgotten):
        await paused.renew()
    with pytest.raises(Forgotten):
        await paused.join("ara")
    anew = await Gateway.enrolled(board)
    came = await anew.join("jun", "mina")
    rest = await board.clear(paused.id, 10)

    assert len(came) == 1
    assert (rest.left, rest.done) == ((), True)
    assert await users(board) == ["jun", "mina"]


async def test_a_gateway_that_was_only_late_goes_on(board: PresenceStore) -> None:
    late, alive = await Gateway.enrolled(board, 0.05), await Gateway.enrolled(board)
    await late.join("mina")
    await late.until_dead(alive)

    await late.renew()

    assert late.id not in await alive.renew()
    assert await board.clear(late.id, 10) == ((), True)
    assert await users(board) == ["mina"]


async def test_a_gateway_that_retires_is_believed_for_a_moment_more(board: PresenceStore) -> None:
    retired, alive = await Gateway.enrolled(board), await Gateway.enrolled(board)
    await retired.join("mina")

    await board.retire(retired.id, LONG_SECONDS)
    assert await alive.renew() == ()
    await board.retire(retired.id, 0.05)
    await retired.until_dead(alive)

    assert [turn.stay.user for turn in (await board.clear(retired.id, 10)).left] == ["mina"]
    await board.retire(retired.id, LONG_SECONDS)
    assert await alive.renew() == ()


async def test_whoever_asks_can_be_ended_at_any_moment(board: PresenceStore) -> None:
    gateway = await Gateway.enrolled(board)
    for turns in range(40):
        asking = asyncio.create_task(gateway.renew())
        for _ in range(turns):
            await asyncio.sleep(0)
        ended = asking.cancel()
        await asyncio.wait([asking])

        assert asking.cancelled() == ended
