import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias

import pytest

from madang_common.access import MAX_QUERIES, Access, AccessQuery
from madang_common.events.kinds import Role
from madang_common.problems import Unavailable
from madang_gateway.backends.memberships import Memberships

Answer: TypeAlias = "asyncio.Future[list[Access]]"


class Rooms:
    """The rooms service: answers at once, or when the test says so."""

    def __init__(self) -> None:
        self.requests: list[list[AccessQuery]] = []
        self.roles: dict[tuple[str, str], Role] = {}
        self.away = False
        self.meanwhile: Callable[[], object] = lambda: None
        self.wait_for: Callable[[], Awaitable[object]] = partial(asyncio.sleep, 0)

    async def fetch(self, queries: Sequence[AccessQuery]) -> list[Access]:
        self.requests.append(list(queries))
        answers = [self._answer(query) for query in queries]
        await self.wait_for()
        self.meanwhile()
        if self.away:
            raise Unavailable("rooms is away")
        return answers

    def _answer(self, query: AccessQuery) -> Access:
        role = self.roles.get((query.user, query.room))
        return Access(user=query.user, room=query.room, exists=True, role=role, archived=False)


@pytest.fixture
def rooms() -> Rooms:
    made = Rooms()
    made.roles["mina", "abc"] = Role.MEMBER
    return made


async def test_queries_of_one_turn_are_sent_in_one_request(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=10)
    rooms.roles["jun", "abc"] = Role.OWNER

    mina, jun, ara = await asyncio.gather(
        memberships.get("mina", "abc"),
        memberships.get("jun", "abc"),
        memberships.get("ara", "xyz"),
    )

    assert [mina.role, jun.role, ara.role] == [Role.MEMBER, Role.OWNER, None]
    assert len(rooms.requests) == 1


async def test_the_same_query_is_sent_once(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=10)

    found = await asyncio.gather(*(memberships.get("mina", "abc") for _ in range(5)))

    assert {access.role for access in found} == {Role.MEMBER}
    assert rooms.requests == [[AccessQuery(user="mina", room="abc")]]


async def test_too_many_queries_are_sent_in_several_requests(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=2000)
    count = MAX_QUERIES + 1

    await asyncio.gather(*(memberships.get("mina", f"r{n}") for n in range(count)))

    assert [len(queries) for queries in rooms.requests] == [MAX_QUERIES, 1]


async def test_queries_during_a_request_are_sent_in_the_next_one(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=100)
    answered = asyncio.Event()
    rooms.wait_for = answered.wait

    asking = []
    for number in range(10):
        asking.append(asyncio.create_task(memberships.get("mina", f"r{number}")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert [len(queries) for queries in rooms.requests] == [1]

    answered.set()
    await asyncio.gather(*asking)

    assert [len(queries) for queries in rooms.requests] == [1, 9]


async def test_a_hanging_request_delays_other_queries_only_briefly(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=100)
    answered = asyncio.Event()

    async def wait() -> None:
        if len(rooms.requests) == 1:
            await answered.wait()

    rooms.wait_for = wait
    hangs = asyncio.create_task(memberships.get("mina", "xyz"))
    await asyncio.sleep(0.01)
    access = await memberships.get("mina", "abc")

    assert access.role is Role.MEMBER
    assert not hangs.done()
    answered.set()
    await hangs


async def test_the_access_of_a_member_is_cached(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=10)
    assert memberships.known("mina", "abc") is None

    found = await memberships.get("mina", "abc")

    assert memberships.known("mina", "abc") is found
    assert await memberships.get("mina", "abc") is found
    assert len(rooms.requests) == 1


async def test_the_access_of_a_non_member_is_not_cached(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=10)

    assert (await memberships.get("jun", "abc")).role is None
    assert memberships.known("jun", "abc") is None
    rooms.roles["jun", "abc"] = Role.MEMBER

    assert (await memberships.get("jun", "abc")).role is Role.MEMBER


async def test_a_change_drops_the_cached_access_to_the_room(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=10)
    await memberships.get("mina", "abc")

    memberships.changed("abc")

    assert memberships.known("mina", "abc") is None
    await memberships.get("mina", "abc")
    assert len(rooms.requests) == 2


async def test_clear_drops_the_whole_cache(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=10)
    await memberships.get("mina", "abc")

    memberships.clear()

    assert memberships.known("mina", "abc") is None


async def test_a_query_in_flight_during_clear_is_repeated(
    rooms: Rooms,
) -> None:
    memberships = Memberships(rooms.fetch, rooms=10)

    def removed() -> None:
        rooms.roles.clear()
        rooms.meanwhile = lambda: None
        memberships.clear()

    rooms.meanwhile = removed

    assert (await memberships.get("mina", "abc")).role is None
    assert len(rooms.requests) == 2


async def test_a_query_in_flight_during_a_change_is_repeated(
    rooms: Rooms,
) -> None:
    memberships = Memberships(rooms.fetch, rooms=10)

    def removed() -> None:
        del rooms.roles["mina", "abc"]
        rooms.meanwhile = lambda: None
        memberships.changed("abc")

    rooms.meanwhile = removed

    assert (await memberships.get("mina", "abc")).role is None
    assert memberships.known("mina", "abc") is None
    assert len(rooms.requests) == 2


async def test_only_queries_for_changed_rooms_are_repeated(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=10)
    rooms.roles["mina", "xyz"] = Role.MEMBER

    def changed() -> None:
        rooms.meanwhile = lambda: None
        memberships.changed("xyz")

    rooms.meanwhile = changed
    await asyncio.gather(memberships.get("mina", "abc"), memberships.get("mina", "xyz"))

    assert [[query.room for query in queries] for queries in rooms.requests] == [
        ["abc", "xyz"],
        ["xyz"],
    ]


async def test_a_query_about_a_room_that_keeps_changing_fails(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=10)
    rooms.meanwhile = lambda: memberships.changed("abc")

    with pytest.raises(Unavailable):
        await memberships.get("mina", "abc")

    rooms.meanwhile = lambda: None
    assert (await memberships.get("mina", "abc")).role is Role.MEMBER


async def test_an_outage_of_rooms_affects_only_access_that_is_not_cached(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=10)
    await memberships.get("mina", "abc")

    rooms.away = True

    assert (await memberships.get("mina", "abc")).role is Role.MEMBER
    with pytest.raises(Unavailable):
        await memberships.get("jun", "abc")
    rooms.away = False
    assert (await memberships.get("jun", "abc")).role is None


async def test_a_cancelled_caller_does_not_cancel_the_others(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=10)
    impatient = asyncio.create_task(memberships.get("mina", "abc"))
    patient = asyncio.create_task(memberships.get("mina", "abc"))
    await asyncio.sleep(0)

    impatient.cancel()

    assert (await patient).role is Role.MEMBER
    assert impatient.cancelled()


@pytest.mark.parametrize("answers", [[], ["nonsense"]])
async def test_an_invalid_response_is_unavailable(
    answers: list[Access], caplog: pytest.LogCaptureFixture
) -> None:
    async def fetch(queries: Sequence[AccessQuery]) -> list[Access]:
        await asyncio.sleep(0)
        return answers

    memberships = Memberships(fetch, rooms=10)

    with pytest.raises(Unavailable):
        await memberships.get("mina", "abc")


async def test_the_least_recently_used_room_is_dropped_first(rooms: Rooms) -> None:
    memberships = Memberships(rooms.fetch, rooms=2)
    for room in ("abc", "def", "ghi"):
        rooms.roles["mina", room] = Role.MEMBER
    await memberships.get("mina", "abc")
    await memberships.get("mina", "def")
    memberships.known("mina", "abc")

    await memberships.get("mina", "ghi")

    known = {room: memberships.known("mina", room) for room in ("abc", "def", "ghi")}
    assert [room for room, access in known.items() if access] == ["abc", "ghi"]
