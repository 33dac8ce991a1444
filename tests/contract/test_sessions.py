"""The contract of auth's sessions port, for every adapter."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from typing_extensions import override

from madang_auth.sessions.port import (
    EndedPage,
    EndedSession,
    Lifetimes,
    Opened,
    Repeated,
    Reused,
    Rotated,
    Rotation,
    Session,
    SessionStore,
    Successor,
    Unknown,
)
from madang_auth.sessions.redis import RedisSessionStore
from madang_auth.sessions.refresh_tokens import RefreshToken, new_nonce
from madang_auth.sessions.sqlite import SqliteSessionStore
from madang_auth.storage.redis import RedisStore
from madang_common.ids import new_id
from madang_common.problems import Unavailable
from madang_common.redis.endpoint import RedisEndpoint

NOW = 1_800_000_000.0
LIFETIMES = Lifetimes(idle=1000, absolute=3000, grace=10, ended_kept=660)


class Stores(Protocol):
    """One place where logins are kept, opened as often as a test likes."""

    async def open(self) -> SessionStore:
        """Open the store on the same data."""
        ...


class SqliteStores(Stores):
    def __init__(self, folder: Path) -> None:
        self._path = folder / "auth" / "sessions.db"

    @override
    async def open(self) -> SessionStore:
        return await SqliteSessionStore.open_file(self._path, LIFETIMES)


class RedisStores(Stores):
    def __init__(self, url: str) -> None:
        self._url = url

    @override
    async def open(self) -> SessionStore:
        store = RedisStore.at(RedisEndpoint.at(self._url), connections=10, timeout_seconds=5)
        return RedisSessionStore(store, LIFETIMES)


@pytest.fixture(params=["sqlite", "redis"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    if request.param == "redis":
        return RedisStores(request.getfixturevalue("redis_database_url"))
    return SqliteStores(tmp_path)


@pytest.fixture
async def sessions(stores: Stores) -> AsyncIterator[SessionStore]:
    sessions = await stores.open()
    yield sessions
    await sessions.close()


def login(user: str = "u1", *, at: float = NOW) -> Session:
    return Session(
        id=new_id(),
        user=user,
        username="mina",
        name="미나",
        device="phone",
        created_at=at,
        last_used_at=at,
    )


async def opened(
    sessions: SessionStore, user: str = "u1", *, at: float = NOW
) -> tuple[Session, RefreshToken]:
    """Open a login and return it with its first token."""
    new = login(user, at=at)
    token = RefreshToken.first(new.id)
    assert await sessions.open(new, token.hashes(), began_at=at, most=100) == Opened(())
    return new, token


async def show(
    sessions: SessionStore, token: RefreshToken, *, at: float, name: str | None = None
) -> tuple[Rotation, RefreshToken]:
    """Show `token` and return the answer with the successor that was made for it."""
    nonce = new_nonce()
    successor = Successor(token.successor(nonce).hashes().secret, nonce, name)
    answer = await sessions.rotate(token.hashes(), successor, now=at)
    return answer, token.successor(nonce)


async def test_an_opened_login_is_found_as_it_is(sessions: SessionStore) -> None:
    new, _ = await opened(sessions)

    assert await sessions.get(new.id, now=NOW) == new
    assert await sessions.get(new_id(), now=NOW) is None


async def test_a_login_without_a_device_is_found_too(sessions: SessionStore) -> None:
    new = replace(login(), device=None)

    await sessions.open(new, RefreshToken.first(new.id).hashes(), began_at=NOW, most=100)

    assert await sessions.get(new.id, now=NOW) == new


async def test_the_current_token_rotates(sessions: SessionStore) -> None:
    new, first = await opened(sessions)

    answer, second = await show(sessions, first, at=NOW + 5, name="미나 킴")
    later, _ = await show(sessions, second, at=NOW + 50)

    assert answer == Rotated(replace(new, last_used_at=NOW + 5, name="미나 킴"))
    assert later == Rotated(replace(new, last_used_at=NOW + 50, name="미나 킴"))


async def test_the_token_before_gives_the_first_successor_within_the_grace(
    sessions: SessionStore,
) -> None:
    new, first = await opened(sessions)
    _, second = await show(sessions, first, at=NOW)

    answer, _ = await show(sessions, first, at=NOW + 10)

    assert isinstance(answer, Repeated)
    assert answer.session == new
    assert first.successor(answer.nonce) == second


async def test_the_token_before_is_reuse_after_the_grace(sessions: SessionStore) -> None:
    new, first = await opened(sessions)
    _, second = await show(sessions, first, at=NOW)

    answer, _ = await show(sessions, first, at=NOW + 10.1)

    assert answer == Reused(new)
    assert await sessions.get(new.id, now=NOW + 10.1) is None
    assert (await show(sessions, second, at=NOW + 10.2))[0] == Unknown()


async def test_any_older_token_is_reuse_at_once(sessions: SessionStore) -> None:
    new, first = await opened(sessions)
    _, second = await show(sessions, first, at=NOW)
    await show(sessions, second, at=NOW)

    answer, _ = await show(sessions, first, at=NOW)

    assert answer == Reused(new)


async def test_a_token_of_another_family_is_unknown_and_ends_nothing(
    sessions: SessionStore,
) -> None:
    new, _ = await opened(sessions)

    answer, _ = await show(sessions, RefreshToken.first(new.id), at=NOW)

    assert answer == Unknown()
    assert await sessions.get(new.id, now=NOW) == new


async def test_of_many_at_once_one_rotates_and_all_mean_the_same_successor(
    sessions: SessionStore,
) -> None:
    _, first = await opened(sessions)

    answers = await asyncio.gather(*(show(sessions, first, at=NOW) for _ in range(30)))

    (winner,) = [successor for answer, successor in answers if isinstance(answer, Rotated)]
    repeated = [answer for answer, _ in answers if isinstance(answer, Repeated)]
    assert len(repeated) == 29
    assert {first.successor(answer.nonce).text() for answer in repeated} == {winner.text()}


async def test_two_processes_on_one_store_do_not_both_rotate(
    stores: Stores, sessions: SessionStore
) -> None:
    other = await stores.open()
    _, first = await opened(sessions)

    answers = await asyncio.gather(
        *(show(store, first, at=NOW) for store in (sessions, other) * 10)
    )

    await other.close()
    kinds = [type(answer) for answer, _ in answers]
    assert kinds.count(Rotated) == 1
    assert kinds.count(Repeated) == 19


async def test_a_step_taken_twice_for_a_lost_answer_means_the_same(sessions: SessionStore) -> None:
    _, first = await opened(sessions)
    nonce = new_nonce()
    successor = Successor(first.successor(nonce).hashes().secret, nonce)

    await sessions.rotate(first.hashes(), successor, now=NOW)
    again = await sessions.rotate(first.hashes(), successor, now=NOW + 1)

    assert isinstance(again, Repeated)
    assert again.nonce == nonce


async def test_an_idle_login_has_ended(sessions: SessionStore) -> None:
    new, token = await opened(sessions)

    assert await sessions.get(new.id, now=NOW + 999) == new
    assert await sessions.get(new.id, now=NOW + 1000) is None
    assert await sessions.list_of_user("u1", now=NOW + 1000) == []
    assert (await show(sessions, token, at=NOW + 1000))[0] == Unknown()


async def test_a_used_login_lives_on_up_to_its_absolute_end(sessions: SessionStore) -> None:
    new, token = await opened(sessions)
    for after in (900, 1800, 2700):
        answer, token = await show(sessions, token, at=NOW + after)
        assert isinstance(answer, Rotated)

    assert await sessions.get(new.id, now=NOW + 2999) is not None
    assert await sessions.get(new.id, now=NOW + 3000) is None


async def test_logins_are_listed_by_user_with_the_one_used_last_first(
    sessions: SessionStore,
) -> None:
    old, token = await opened(sessions, at=NOW)
    new, _ = await opened(sessions, at=NOW + 1)
    await opened(sessions, "u2")
    await show(sessions, token, at=NOW + 2)

    found = await sessions.list_of_user("u1", now=NOW + 2)

    assert [found_login.id for found_login in found] == [old.id, new.id]


async def test_a_login_is_ended_by_its_user_once(sessions: SessionStore) -> None:
    new, token = await opened(sessions)

    assert await sessions.end(new.id, user="u2", now=NOW) is None
    assert await sessions.end(new.id, user="u1", now=NOW) == new
    assert await sessions.end(new.id, user="u1", now=NOW) is None
    assert (await show(sessions, token, at=NOW))[0] == Unknown()


async def test_a_login_is_ended_by_any_token_of_its_family(sessions: SessionStore) -> None:
    new, first = await opened(sessions)
    await show(sessions, first, at=NOW)

    assert await sessions.end_by_token(RefreshToken.first(new.id).hashes(), now=NOW) is None
    assert await sessions.end_by_token(first.hashes(), now=NOW) == new
    assert await sessions.end_by_token(first.hashes(), now=NOW) is None


async def test_all_others_end_at_once(sessions: SessionStore) -> None:
    kept, _ = await opened(sessions)
    ended = {(await opened(sessions))[0].id for _ in range(3)}
    stranger, _ = await opened(sessions, "u2")

    found = await sessions.end_others("u1", keep=kept.id, now=NOW)

    assert {found_login.id for found_login in found} == ended
    assert await sessions.list_of_user("u1", now=NOW) == [kept]
    assert await sessions.get(stranger.id, now=NOW) == stranger


async def test_all_end_when_none_is_kept(sessions: SessionStore) -> None:
    new, _ = await opened(sessions)

    assert await sessions.end_others("u1", keep=None, now=NOW) == [new]
    assert await sessions.list_of_user("u1", now=NOW) == []


async def test_a_login_that_began_before_the_others_ended_does_not_open(
    sessions: SessionStore,
) -> None:
    late, fresh, stranger = login(), login(), login("u2")
    await sessions.end_others("u1", keep=None, now=NOW)

    opening = [
        await sessions.open(new, RefreshToken.first(new.id).hashes(), began_at=began_at, most=100)
        for new, began_at in ((late, NOW - 1), (fresh, NOW + 1), (stranger, NOW - 1))
    ]

    assert opening == [None, Opened(()), Opened(())]
    assert await sessions.get(late.id, now=NOW) is None


async def test_the_logins_unused_for_longest_make_room(sessions: SessionStore) -> None:
    first, token = await opened(sessions, at=NOW)
    second, _ = await opened(sessions, at=NOW + 1)
    third, _ = await opened(sessions, at=NOW + 2)
    await show(sessions, token, at=NOW + 3)
    new = login(at=NOW + 4)

    answer = await sessions.open(new, RefreshToken.first(new.id).hashes(), began_at=NOW + 4, most=2)

    assert answer is not None
    assert {ended.id for ended in answer.ended} == {second.id, third.id}
    kept = await sessions.list_of_user("u1", now=NOW + 4)
    assert [kept_login.id for kept_login in kept] == [new.id, first.id]


async def test_many_opened_at_once_stay_within_the_bound(sessions: SessionStore) -> None:
    news = [login() for _ in range(20)]

    await asyncio.gather(
        *(
            sessions.open(new, RefreshToken.first(new.id).hashes(), began_at=NOW, most=5)
            for new in news
        )
    )

    assert len(await sessions.list_of_user("u1", now=NOW)) == 5


async def test_delete_expired_keeps_open_sessions(sessions: SessionStore) -> None:
    await opened(sessions, at=NOW)
    kept, token = await opened(sessions, at=NOW + 500)

    await sessions.delete_expired(now=NOW + 1000)

    assert await sessions.delete_expired(now=NOW + 1000) == 0
    assert (await show(sessions, token, at=NOW + 1000))[0] == Rotated(
        replace(kept, last_used_at=NOW + 1000)
    )


async def ended(sessions: SessionStore) -> list[EndedSession]:
    """Return everything that has ended."""
    return list((await sessions.ended_after(None, limit=1000)).items)


async def test_nothing_has_ended_at_first(sessions: SessionStore) -> None:
    _, token = await opened(sessions)
    await show(sessions, token, at=NOW)

    page = await sessions.ended_after(None, limit=10)

    assert page.items == ()
    assert await sessions.ended_after(page.cursor, limit=10) == page


async def test_each_way_to_end_a_login_is_put_down_once(sessions: SessionStore) -> None:
    by_user, _ = await opened(sessions)
    by_token, token = await opened(sessions)
    by_reuse, first = await opened(sessions)
    surplus, _ = await opened(sessions, at=NOW + 1)
    await show(sessions, first, at=NOW)
    last = login(at=NOW + 3)

    for _ in range(2):
        await sessions.end(by_user.id, user="u1", now=NOW)
        await sessions.end_by_token(token.hashes(), now=NOW + 1)
        await show(sessions, first, at=NOW + 100)
    await sessions.open(last, RefreshToken.first(last.id).hashes(), began_at=NOW + 3, most=1)

    assert await ended(sessions) == [
        EndedSession("u1", by_user.id, NOW),
        EndedSession("u1", by_token.id, NOW + 1),
        EndedSession("u1", by_reuse.id, NOW + 100),
        EndedSession("u1", surplus.id, NOW + 3),
    ]


async def test_all_others_are_put_down_at_once_and_one_by_one(sessions: SessionStore) -> None:
    kept, _ = await opened(sessions)
    others = {(await opened(sessions))[0].id for _ in range(3)}
    await opened(sessions, "u2")

    await sessions.end_others("u1", keep=kept.id, now=NOW + 5)
    everybody, *each = await ended(sessions)

    assert everybody == EndedSession("u1", None, NOW + 5, keep=kept.id)
    assert {one.session for one in each} == others
    assert {(one.user, one.at, one.keep) for one in each} == {("u1", NOW + 5, None)}


async def test_what_expires_is_not_put_down(sessions: SessionStore) -> None:
    _, token = await opened(sessions)
    new = login(at=NOW + 1000)

    await show(sessions, token, at=NOW + 1000)
    answer = await sessions.open(
        new, RefreshToken.first(new.id).hashes(), began_at=NOW + 1000, most=1
    )

    assert answer == Opened(())
    assert await ended(sessions) == []


async def test_ended_logins_are_read_page_by_page(stores: Stores, sessions: SessionStore) -> None:
    logins = [(await opened(sessions))[0].id for _ in range(5)]
    for one in logins:
        await sessions.end(one, user="u1", now=NOW)
    other = await stores.open()

    first = await sessions.ended_after(None, limit=2)
    second = await other.ended_after(first.cursor, limit=2)
    third = await sessions.ended_after(second.cursor, limit=2)

    await other.close()
    pages = [[one.session for one in page.items] for page in (first, second, third)]
    assert pages == [logins[:2], logins[2:4], logins[4:]]
    assert await sessions.ended_after(third.cursor, limit=2) == EndedPage((), third.cursor)


@pytest.mark.parametrize("cursor", ["", "nonsense", "1" * 30, "9" * 30 + "-1", "-1", "٣"])
async def test_a_foreign_cursor_starts_over(sessions: SessionStore, cursor: str) -> None:
    new, _ = await opened(sessions)
    await sessions.end(new.id, user="u1", now=NOW)

    page = await sessions.ended_after(cursor, limit=10)

    assert [one.session for one in page.items] == [new.id]


async def test_everything_survives_a_restart(stores: Stores) -> None:
    before = await stores.open()
    new, first = await opened(before)
    _, second = await show(before, first, at=NOW)
    await before.close()

    after = await stores.open()
    answer, _ = await show(after, first, at=NOW + 1)
    found = await after.get(new.id, now=NOW + 1)
    await after.close()

    assert found == new
    assert isinstance(answer, Repeated)
    assert first.successor(answer.nonce) == second


async def test_a_closed_store_is_unavailable(stores: Stores) -> None:
    sessions = await stores.open()
    await sessions.ping()
    await sessions.close()

    with pytest.raises(Unavailable):
        await sessions.ping()
    with pytest.raises(Unavailable):
        await sessions.get(new_id(), now=NOW)
    await sessions.close()
