import asyncio
import time

import httpx
import pytest

from libs.client.tests.double.rest_server import RestServer
from madang_client import LoggedOut, MemoryStore, NotReachable, Tokens
from madang_client.rest import Rest
from madang_client.token_refresher import TokenRefresher
from madang_client.tokens import granted


@pytest.fixture
def rest() -> RestServer:
    return RestServer()


@pytest.fixture
def store(rest: RestServer) -> MemoryStore:
    return MemoryStore(granted(rest.add_user("ada"), time.time()))


@pytest.fixture
def keeper(rest: RestServer, store: MemoryStore) -> TokenRefresher:
    return TokenRefresher(Rest("http://double", transport=rest.transport()), store)


async def test_a_token_is_kept_as_long_as_it_holds(
    keeper: TokenRefresher, rest: RestServer
) -> None:
    assert await keeper.token() == await keeper.token()
    assert rest.refreshes == 0


async def test_a_token_is_renewed_a_while_before_it_expires(
    rest: RestServer, store: MemoryStore
) -> None:
    tokens = store.load()
    assert tokens is not None
    later = tokens.expires_at - 30
    keeper = TokenRefresher(
        Rest("http://double", transport=rest.transport()), store, clock=lambda: later
    )

    assert await keeper.token() != tokens.access
    assert rest.refreshes == 1


async def test_all_who_ask_together_share_one_renewal(
    keeper: TokenRefresher, rest: RestServer
) -> None:
    stale = keeper.tokens.access

    renewed = await asyncio.gather(*(keeper.renew(stale) for _ in range(10)))

    assert len(set(renewed)) == 1
    assert rest.refreshes == 1


async def test_who_asks_late_gets_what_was_renewed_already(
    keeper: TokenRefresher, rest: RestServer
) -> None:
    stale = keeper.tokens.access
    renewed = await keeper.renew(stale)

    assert await keeper.renew(stale) == renewed
    assert rest.refreshes == 1


async def test_who_stops_waiting_does_not_lose_the_new_pair(
    keeper: TokenRefresher, rest: RestServer, store: MemoryStore
) -> None:
    stale = keeper.tokens.access
    waiting = asyncio.create_task(keeper.renew(stale))
    await asyncio.sleep(0)
    waiting.cancel()

    await keeper.settle()

    assert rest.refreshes == 1
    assert keeper.tokens.access != stale
    assert keeper.tokens.refresh in rest.refresh_tokens


async def test_a_refused_renewal_forgets_the_login(
    keeper: TokenRefresher, rest: RestServer, store: MemoryStore
) -> None:
    rest.refresh_tokens.clear()

    with pytest.raises(LoggedOut):
        await keeper.renew(keeper.tokens.access)

    assert store.load() is None
    with pytest.raises(LoggedOut):
        await keeper.token()


async def test_a_renewal_that_fails_for_now_keeps_the_login(
    keeper: TokenRefresher, rest: RestServer
) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("away", request=request)

    rest.faults = [away]
    stale = keeper.tokens

    with pytest.raises(NotReachable):
        await keeper.renew(stale.access)

    assert keeper.tokens == stale
    assert (await keeper.renew(stale.access)).access != stale.access


async def test_a_replacement_is_waited_for_until_it_is_due(rest: RestServer) -> None:
    now = time.time()
    tokens = Tokens("old", "refresh-1", expires_at=now + 0.2, lifetime_seconds=0.2)
    rest.refresh_tokens["refresh-1"] = "ada"
    keeper = TokenRefresher(Rest("http://double", transport=rest.transport()), MemoryStore(tokens))

    assert await keeper.replacement("old") != "old"

    assert time.time() - now >= 0.1
