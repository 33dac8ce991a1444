import asyncio
import time
from functools import partial

import pytest

from libs.client.tests.fakes.chats import MakeChat, eventually, take
from libs.client.tests.fakes.rest_server import RestServer, problem
from libs.client.tests.fakes.stomp_server import StompServer
from madang_client import (
    Change,
    Connected,
    Disconnected,
    Forbidden,
    LoggedOut,
    Login,
    Lost,
    NotReachable,
    Refused,
)


async def test_entering_a_chat_fails_if_nobody_answers(login: Login) -> None:
    with pytest.raises(NotReachable):
        async with login.chat(url="ws://127.0.0.1:9/ws"):
            pass


async def test_the_connection_is_opened_as_stomp_1_2_with_the_access_token(
    stomp: StompServer, make_chat: MakeChat, login: Login
) -> None:
    async with make_chat():
        pass

    headers = stomp.connects[0]
    assert headers["accept-version"] == "1.2"
    assert headers["host"] == "127.0.0.1"
    assert headers["Authorization"] == f"Bearer {login.tokens.access}"


@pytest.mark.parametrize("code", [1001, 1011, 1012, 4008, 4503, 4508])
async def test_the_chat_reconnects_after_codes_that_allow_it(
    stomp: StompServer, make_chat: MakeChat, code: int
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        await stomp.close_all(code, "come back")
        await eventually(lambda: len(stomp.connects) == 2)
        await eventually(lambda: stomp.peers and len(stomp.peers[0].subscriptions) == 3)

        await stomp.say("yard", "welcome")

        assert await take(events, 1) == ["welcome"]


@pytest.mark.parametrize("code", [1008, 4400, 4403, 4429])
async def test_final_codes_end_the_chat_for_all_readers_and_senders(
    stomp: StompServer, make_chat: MakeChat, code: int
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        stomp.script.lost_receipts = 1
        send = asyncio.create_task(chat.send("yard", "hello"))
        assert await take(events, 1) == ["hello"]

        await stomp.close_all(code, "enough")

        for waiting in (anext(events), send, chat.send("yard", "again"), chat.subscribe("x")):
            with pytest.raises(Disconnected, match="enough") as caught:
                await waiting
            assert caught.value.code == code
    assert len(stomp.connects) == 1


async def test_a_login_that_was_ended_ends_the_chat(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")

        await stomp.close_all(4410, "login ended")

        with pytest.raises(LoggedOut):
            await anext(events)


async def test_a_temporarily_refused_upgrade_is_retried_after_retry_after(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    changes: list[Change] = []
    async with make_chat(on_change=changes.append, jitter=lambda: 0.5):
        stomp.script.upgrades = [(503, {"Retry-After": "1"}), (502, {})]
        started = time.monotonic()
        stomp.drop_all()
        await eventually(lambda: len(stomp.connects) == 2)

    assert time.monotonic() - started >= 1
    lost = [change for change in changes if isinstance(change, Lost)]
    assert [change.again_in_seconds for change in lost] == pytest.approx([0.01, 1.02, 0.04])


async def test_retry_after_is_capped(stomp: StompServer, make_chat: MakeChat) -> None:
    async with make_chat(retry_after_cap_seconds=0.1):
        stomp.script.upgrades = [(503, {"Retry-After": "86400"})]
        stomp.drop_all()
        await eventually(lambda: len(stomp.connects) == 2)


async def test_a_finally_refused_upgrade_is_not_retried(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    stomp.script.upgrades = [(403, {})]

    with pytest.raises(Forbidden):
        async with make_chat():
            pass

    assert stomp.upgrades == 1


async def test_a_refused_connect_raises_the_problem(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    stomp.script.connects = [(problem("forbidden", 403, "Not today"), 4403)]

    with pytest.raises(Refused, match="Not today"):
        async with make_chat():
            pass

    assert len(stomp.connects) == 1


async def test_the_delays_grow_and_are_reported(stomp: StompServer, make_chat: MakeChat) -> None:
    changes: list[Change] = []
    async with make_chat(on_change=changes.append, jitter=lambda: 0.5):
        await stomp.stop()
        await eventually(lambda: len(changes) == 6)
        await stomp.start()
        await eventually(lambda: changes[-1] == Connected(again=True))

    lost = [change.again_in_seconds for change in changes if isinstance(change, Lost)]
    assert lost[:5] == pytest.approx([0.01, 0.02, 0.04, 0.05, 0.05])
    assert changes[0] == Connected(again=False)


async def test_a_stable_connection_resets_the_delays(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    changes: list[Change] = []
    async with make_chat(on_change=changes.append, jitter=lambda: 0.5, stable_seconds=0):
        for number in range(2, 5):
            stomp.drop_all()
            await eventually(partial(_has_connects, stomp, number))
            await eventually(lambda: stomp.peers)

    lost = [change.again_in_seconds for change in changes if isinstance(change, Lost)]
    assert lost == pytest.approx([0.01, 0.01, 0.01])


async def test_missing_heartbeats_end_the_connection(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    stomp.script.heartbeat = "50,50"
    async with make_chat(heartbeat_seconds=0.05):
        await asyncio.sleep(0.4)
        assert len(stomp.connects) == 1
        stomp.script.beats = False

        await eventually(lambda: len(stomp.connects) == 2)


async def test_heartbeats_are_sent_while_idle(stomp: StompServer, make_chat: MakeChat) -> None:
    stomp.script.heartbeat = "0,40"
    async with make_chat(heartbeat_seconds=0.04):
        await eventually(lambda: stomp.peers and stomp.peers[0].heartbeats >= 3)


async def test_closing_a_chat_while_it_reconnects_is_quick(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat(backoff_base_seconds=60, backoff_cap_seconds=60, jitter=lambda: 1) as chat:
        events = await chat.subscribe("yard")
        stomp.drop_all()
        await eventually(lambda: not stomp.peers)
        started = time.monotonic()

    assert time.monotonic() - started < 1
    assert [event async for event in events] == []


async def test_bytes_that_are_not_stomp_end_the_chat_with_an_error(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")

        await stomp.peers[0].socket.send("HTTP/1.1 200 OK\nno colon here\n\n\0")

        with pytest.raises(Exception, match="colon"):
            await anext(events)


async def test_a_rejected_token_is_renewed_once_and_the_chat_reconnects(
    stomp: StompServer, make_chat: MakeChat, rest: RestServer
) -> None:
    stomp.script.connects = [(problem("unauthenticated", 401, "Log in first"), 4401)]

    async with make_chat():
        pass

    assert rest.refreshes == 1
    assert len({headers["Authorization"] for headers in stomp.connects}) == 2


async def test_a_login_whose_new_token_is_rejected_has_ended(
    stomp: StompServer, make_chat: MakeChat, rest: RestServer
) -> None:
    stomp.script.connects = [(problem("unauthenticated", 401, "Log in first"), 4401)] * 9

    with pytest.raises(LoggedOut):
        async with make_chat():
            pass

    assert (rest.refreshes, len(stomp.connects)) == (1, 2)


async def test_a_connection_closed_for_its_token_reconnects_with_another(
    stomp: StompServer, make_chat: MakeChat, rest: RestServer
) -> None:
    async with make_chat():
        await stomp.close_all(4501, "token expired")
        await eventually(lambda: len(stomp.connects) == 2)

    assert rest.refreshes == 1
    assert stomp.connects[0]["Authorization"] != stomp.connects[1]["Authorization"]


def _has_connects(stomp: StompServer, count: int) -> bool:
    return len(stomp.connects) == count
