import asyncio

from libs.client.tests.fakes.chats import MakeChat, eventually, take
from libs.client.tests.fakes.stomp_server import StompServer
from madang_client import Event


async def test_a_slow_reader_stops_the_connection_and_loses_nothing(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat(queue_events=5) as chat:
        events = await chat.subscribe("yard")
        await stomp.say("yard", "0")
        for number in range(1, 500):
            stomp.store("yard", f"{number}" + "." * 2_000)
        delivering = asyncio.create_task(_deliver_from(stomp, 1))
        await asyncio.sleep(0.1)

        assert len(events._queue) == 5

        texts = await take(events, 500)
        assert [int(text.rstrip(".")) for text in texts] == list(range(500))
        await delivering
    assert not stomp.unsubscribes
    assert len(stomp.connects) == 1


async def test_a_reader_that_sends_for_every_event_does_not_deadlock(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    known = await stomp.say("yard", "known")
    for number in range(60):
        stomp.store("yard", f"{number}")
    answered: list[str] = []
    async with make_chat(queue_events=5) as chat, asyncio.timeout(10):
        async for event in await chat.subscribe("yard", since=known):
            assert isinstance(event, Event)
            if event.sender != "bob":
                continue
            await chat.send("yard", f"re: {event.text}")
            answered.append(event.text)
            if len(answered) == 60:
                break

    assert answered == [f"{number}" for number in range(60)]
    assert stomp.unsubscribes
    assert len(stomp.connects) == 1


async def test_a_paused_reader_does_not_look_like_a_lost_connection(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    stomp.script.heartbeat = "50,50"
    async with make_chat(queue_events=1, heartbeat_seconds=0.05) as chat:
        events = await chat.subscribe("yard")
        for number in range(3):
            await stomp.say("yard", f"{number}")
        await asyncio.sleep(0.4)

        assert await take(events, 3) == ["0", "1", "2"]
    assert len(stomp.connects) == 1
    assert stomp.peers == [] or stomp.peers[0].heartbeats > 2


async def test_closing_a_full_subscription_unblocks_the_others(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat(queue_events=1) as chat:
        full, other = await chat.subscribe("full"), await chat.subscribe("other")
        for number in range(3):
            await stomp.say("full", f"{number}")
        await stomp.say("other", "at last")
        await eventually(lambda: full.is_full)

        await full.close()

        assert await take(other, 1) == ["at last"]


async def _deliver_from(stomp: StompServer, start: int) -> None:
    for event in stomp.events["yard"][start:]:
        await stomp.deliver("yard", event)
