import asyncio

import pytest

from libs.client.tests.fakes.chats import MakeChat, eventually, take
from libs.client.tests.fakes.rest_server import problem
from libs.client.tests.fakes.stomp_server import StompServer
from madang_client import (
    Closed,
    KeyConflict,
    NotAMember,
    ProtocolError,
    TooManyRequests,
    Unavailable,
)


async def test_a_send_returns_the_id_under_which_readers_see_it(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")

        event_id = await chat.send("yard", "마당에 오세요 🌿")

        event = await anext(events)
        assert (event.id, event.text) == (event_id, "마당에 오세요 🌿")  # type: ignore[union-attr]  # no Gap here


async def test_each_message_has_a_key_of_its_own(stomp: StompServer, make_chat: MakeChat) -> None:
    async with make_chat() as chat:
        await asyncio.gather(*(chat.send("yard", f"m{n}") for n in range(20)))

    keys = [frame.headers["key"] for frame in stomp.sends]
    assert len(set(keys)) == 20
    assert all("retry" not in frame.headers for frame in stomp.sends)


async def test_concurrent_sends_keep_their_order(stomp: StompServer, make_chat: MakeChat) -> None:
    async with make_chat() as chat:
        await asyncio.gather(*(chat.send("yard", f"m{n}") for n in range(50)))

    assert [event["data"]["text"] for event in stomp.events["yard"]] == [f"m{n}" for n in range(50)]


async def test_a_send_whose_connection_is_lost_is_retried_with_its_key_and_stored_once(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    await stomp.say("yard", "before")
    stomp.script.drops_after_store = 2
    async with make_chat() as chat:
        events = await chat.subscribe("yard")

        event_id = await chat.send("yard", "hello")

        assert await take(events, 1) == ["hello"]
    assert [frame.headers.get("retry") for frame in stomp.sends] == [None, "true", "true"]
    assert len({frame.headers["key"] for frame in stomp.sends}) == 1
    assert [event["id"] for event in stomp.events["yard"][1:]] == [event_id]


async def test_sends_during_an_outage_wait_and_arrive_in_order(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        await stomp.stop()

        sends = [asyncio.create_task(chat.send("yard", f"m{n}")) for n in range(5)]
        await asyncio.sleep(0.05)
        await stomp.start()

        ids = await asyncio.gather(*sends)
    assert [event["id"] for event in stomp.events["yard"]] == ids
    assert [event["data"]["text"] for event in stomp.events["yard"]] == [f"m{n}" for n in range(5)]


async def test_a_lost_receipt_costs_the_connection_and_not_the_message(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    stomp.script.lost_receipts = 1
    async with make_chat(receipt_seconds=0.2) as chat:
        event_id = await chat.send("yard", "hello")

    assert [event["id"] for event in stomp.events["yard"]] == [event_id]
    assert len(stomp.connects) == 2


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (problem("not-a-member", 403), NotAMember),
        (problem("key-conflict", 409), KeyConflict),
    ],
)
async def test_a_refused_send_raises_the_problem_and_the_chat_continues(
    stomp: StompServer, make_chat: MakeChat, document: dict[str, object], kind: type[Exception]
) -> None:
    stomp.script.sends = [document]
    async with make_chat() as chat:
        with pytest.raises(kind):
            await chat.send("yard", "no")

        await chat.send("yard", "yes")

    assert [event["data"]["text"] for event in stomp.events["yard"]] == ["yes"]
    assert len(stomp.connects) == 1


NOT_NOW = [
    (problem("unavailable", 503), Unavailable),
    (problem("too-many-requests", 429, retry_after_seconds=0.01), TooManyRequests),
]


@pytest.mark.parametrize(("document", "_"), NOT_NOW)
async def test_a_send_is_retried_while_the_server_is_unavailable(
    stomp: StompServer, make_chat: MakeChat, document: dict[str, object], _: object
) -> None:
    stomp.script.sends = [document] * 2
    async with make_chat() as chat:
        await chat.send("yard", "hello")

    assert [frame.headers.get("retry") for frame in stomp.sends] == [None, "true", "true"]


@pytest.mark.parametrize(("document", "kind"), NOT_NOW)
async def test_a_send_fails_after_the_last_attempt(
    stomp: StompServer, make_chat: MakeChat, document: dict[str, object], kind: type[Exception]
) -> None:
    stomp.script.sends = [document] * 3
    async with make_chat(unavailable_attempts=3) as chat:
        with pytest.raises(kind):
            await chat.send("yard", "hello")


async def test_a_cancelled_send_can_be_repeated_as_a_retry(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    stomp.script.lost_receipts = 1
    async with make_chat() as chat:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await chat.send("yard", "hello", key="mine")

        event_id = await chat.send("yard", "hello", key="mine", retry=True)

    assert [event["id"] for event in stomp.events["yard"]] == [event_id]
    assert stomp.sends[1].headers["retry"] == "true"


async def test_unconfirmed_sends_are_limited(stomp: StompServer, make_chat: MakeChat) -> None:
    stomp.script.lost_receipts = 3
    async with make_chat(unconfirmed_sends=3) as chat:
        sends = [asyncio.create_task(chat.send("yard", f"m{n}")) for n in range(4)]
        await eventually(lambda: len(stomp.sends) == 3)
        sends[0].cancel()

        await sends[3]

        for send in sends[1:3]:
            send.cancel()
    assert len(stomp.sends) == 4


async def test_a_receipt_without_the_message_id_is_no_confirmation(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        stomp.omit_message_ids = True

        with pytest.raises(ProtocolError):
            await chat.send("yard", "hello")


async def test_closing_the_chat_fails_unconfirmed_sends(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    stomp.script.lost_receipts = 1
    chat = make_chat()
    async with chat:
        send = asyncio.create_task(chat.send("yard", "hello"))
        await eventually(lambda: stomp.sends)

    with pytest.raises(Closed):
        await send
    with pytest.raises(Closed):
        await chat.send("yard", "too late")


@pytest.mark.parametrize("room", ["", "a b", "../x", "x" * 65])
async def test_a_malformed_room_id_is_refused(make_chat: MakeChat, room: str) -> None:
    async with make_chat() as chat:
        with pytest.raises(ValueError, match="not a room id"):
            await chat.send(room, "hello")
        with pytest.raises(ValueError, match="not a room id"):
            await chat.subscribe(room)
