import asyncio

import httpx
import pytest

from libs.client.tests.fakes.chats import MakeChat, eventually, take
from libs.client.tests.fakes.rest_server import RestServer
from libs.client.tests.fakes.stomp_server import StompServer
from madang_client import Account, LoggedOut


@pytest.fixture
def rest(stomp: StompServer) -> RestServer:
    rest = RestServer(stomp)
    rest.expires_in = 0.4
    return rest


async def test_a_new_token_is_sent_before_the_old_one_expires(
    stomp: StompServer, make_chat: MakeChat, rest: RestServer
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")

        await eventually(lambda: len(stomp.tokens) >= 2)

        await stomp.say("yard", "still here")
        assert await take(events, 1) == ["still here"]
    assert len(stomp.connects) == 1
    assert len(set(stomp.tokens)) == len(stomp.tokens)
    assert rest.refreshes >= 2


async def test_two_chats_of_a_login_share_each_renewal(
    stomp: StompServer, make_chat: MakeChat, rest: RestServer
) -> None:
    async with make_chat(), make_chat():
        await eventually(lambda: len(stomp.tokens) >= 4)

    first, second = stomp.tokens[0], stomp.tokens[1]
    assert first == second
    assert rest.refreshes <= len(stomp.tokens) / 2 + 1


async def test_a_refused_refresh_ends_the_chat_as_logged_out(
    stomp: StompServer, make_chat: MakeChat, rest: RestServer
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        rest.refresh_tokens.clear()

        with pytest.raises(LoggedOut):
            async with asyncio.timeout(5):
                await anext(events)
        with pytest.raises(LoggedOut):
            await chat.send("yard", "hello?")


async def test_a_temporary_failure_of_a_refresh_is_retried(
    stomp: StompServer, make_chat: MakeChat, rest: RestServer
) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away", request=request)

    async with make_chat():
        rest.faults = [away, lambda _: httpx.Response(503), lambda _: httpx.Response(429)]

        await eventually(lambda: stomp.tokens)

    assert not rest.faults
    assert len(stomp.connects) == 1


async def test_a_reconnect_after_expiry_renews_the_token_first(
    stomp: StompServer, make_chat: MakeChat, account: Account
) -> None:
    async with make_chat(
        backoff_base_seconds=0.6, backoff_cap_seconds=0.6, jitter=lambda: 1
    ) as chat:
        events = await chat.subscribe("yard")
        stomp.drop_all()
        await eventually(lambda: len(stomp.connects) == 2)
        await eventually(lambda: stomp.peers and len(stomp.peers[0].subscriptions) == 3)
        await stomp.say("yard", "back")

        assert await take(events, 1) == ["back"]
    assert stomp.connects[0]["Authorization"] != stomp.connects[1]["Authorization"]
