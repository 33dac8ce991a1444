import asyncio
import time

import httpx
import pytest

from libs.client.tests.fakes.rest_server import RestServer
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
def refresher(rest: RestServer, store: MemoryStore) -> TokenRefresher:
    return TokenRefresher(Rest("http://fake", transport=rest.transport()), store)


async def test_a_valid_token_is_reused(refresher: TokenRefresher, rest: RestServer) -> None:
    assert await refresher.token() == await refresher.token()
    assert rest.refreshes == 0


async def test_a_token_is_renewed_before_it_expires(rest: RestServer, store: MemoryStore) -> None:
    tokens = store.load()
    assert tokens is not None
    later = tokens.expires_at - 30
    refresher = TokenRefresher(
        Rest("http://fake", transport=rest.transport()), store, clock=lambda: later
    )

    assert await refresher.token() != tokens.access
    assert rest.refreshes == 1


async def test_concurrent_calls_share_one_renewal(
    refresher: TokenRefresher, rest: RestServer
) -> None:
    stale = refresher.tokens.access

    renewed = await asyncio.gather(*(refresher.renew(stale) for _ in range(10)))

    assert len(set(renewed)) == 1
    assert rest.refreshes == 1


async def test_a_later_call_gets_the_renewed_token(
    refresher: TokenRefresher, rest: RestServer
) -> None:
    stale = refresher.tokens.access
    renewed = await refresher.renew(stale)

    assert await refresher.renew(stale) == renewed
    assert rest.refreshes == 1


async def test_a_cancelled_caller_does_not_lose_the_new_tokens(
    refresher: TokenRefresher, rest: RestServer, store: MemoryStore
) -> None:
    stale = refresher.tokens.access
    waiting = asyncio.create_task(refresher.renew(stale))
    await asyncio.sleep(0)
    waiting.cancel()

    await refresher.settle()

    assert rest.refreshes == 1
    assert refresher.tokens.access != stale
    assert refresher.tokens.refresh in rest.refresh_tokens


async def test_a_refused_renewal_deletes_the_login(
    refresher: TokenRefresher, rest: RestServer, store: MemoryStore
) -> None:
    rest.refresh_tokens.clear()

    with pytest.raises(LoggedOut):
        await refresher.renew(refresher.tokens.access)

    assert store.load() is None
    with pytest.raises(LoggedOut):
        await refresher.token()


async def test_a_temporary_failure_keeps_the_login(
    refresher: TokenRefresher, rest: RestServer
) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("away", request=request)

    rest.faults = [away]
    stale = refresher.tokens

    with pytest.raises(NotReachable):
        await refresher.renew(stale.access)

    assert refresher.tokens == stale
    assert (await refresher.renew(stale.access)).access != stale.access


async def test_a_replacement_is_returned_when_it_is_due(rest: RestServer) -> None:
    now = time.time()
    tokens = Tokens("old", "refresh-1", expires_at=now + 0.2, lifetime_seconds=0.2)
    rest.refresh_tokens["refresh-1"] = "ada"
    refresher = TokenRefresher(Rest("http://fake", transport=rest.transport()), MemoryStore(tokens))

    assert await refresher.replacement("old") != "old"

    assert time.time() - now >= 0.1
