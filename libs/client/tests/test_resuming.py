import asyncio
import random

import pytest

from libs.client.tests.fakes.chats import MakeChat, eventually, take
from libs.client.tests.fakes.rest_server import problem
from libs.client.tests.fakes.stomp_server import StompServer
from madang_client import Chat, Closed, Event, Gap, NotAMember, OutOfOrder


async def test_a_reader_gets_events_after_subscribing(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    await stomp.say("yard", "before")
    async with make_chat() as chat:
        events = await chat.subscribe("yard")

        await stomp.say("yard", "after")

        assert await take(events, 1) == ["after"]


async def test_a_reader_gets_all_events_since_a_position(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    known = await stomp.say("yard", "known")
    await stomp.say("yard", "missed")
    async with make_chat() as chat:
        events = await chat.subscribe("yard", since=known)

        await stomp.say("yard", "live")

        missed, live = await anext(events), await anext(events)
        assert isinstance(missed, Event)
        assert isinstance(live, Event)
        assert [(e.text, e.missed) for e in (missed, live)] == [("missed", True), ("live", False)]
        assert events.position == live.id


async def test_events_during_an_outage_arrive_once_and_in_order(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    await stomp.say("yard", "before")
    async with make_chat() as chat:
        yard, porch = await chat.subscribe("yard"), await chat.subscribe("porch")
        await stomp.say("yard", "y1")
        await eventually(lambda: stomp.peers)
        for outage in range(3):
            await stomp.stop()
            for number in range(2):
                stomp.store("yard", f"y{outage}.{number}")
                stomp.store("porch", f"p{outage}.{number}")
            await stomp.start()
            await eventually(lambda: stomp.peers)

        texts = await take(yard, 7)
        assert texts == ["y1", "y0.0", "y0.1", "y1.0", "y1.1", "y2.0", "y2.1"]
        assert await take(porch, 6) == ["p0.0", "p0.1", "p1.0", "p1.1", "p2.0", "p2.1"]


async def test_a_reader_without_events_resumes_from_its_subscription(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    covered = await stomp.say("yard", "before")
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        await stomp.stop()
        stomp.store("yard", "missed")
        await stomp.start()

        assert await take(events, 1) == ["missed"]
        assert stomp.subscribes[-1]["since"] == covered


async def test_duplicate_events_are_dropped(stomp: StompServer, make_chat: MakeChat) -> None:
    stomp.script.copies = 2
    stomp.script.replay_from_start = True
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        await stomp.say("yard", "one")
        await stomp.say("yard", "two")
        assert await take(events, 2) == ["one", "two"]
        stomp.drop_all()
        await eventually(lambda: len(stomp.connects) == 2)
        await eventually(lambda: "/topic/rooms.yard" in str(stomp.peers[0].subscriptions))

        await stomp.say("yard", "three")

        assert await take(events, 1) == ["three"]


async def test_a_second_event_with_the_same_sender_and_key_is_dropped(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")

        await stomp.say("yard", "bob's", sender="bob", key="k")
        await stomp.say("yard", "bob's again", sender="bob", key="k")
        await stomp.say("yard", "eve's", sender="eve", key="k")

        assert await take(events, 2) == ["bob's", "eve's"]


async def test_after_any_failures_every_reader_gets_each_message_once_in_order(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    chance = random.Random(20260102)
    await stomp.say("yard", "before")

    async def break_things() -> None:
        while True:
            await asyncio.sleep(chance.uniform(0, 0.03))
            match chance.randrange(4):
                case 0:
                    stomp.drop_all()
                case 1 if stomp.peers:
                    chance.choice(stomp.peers).drop()
                case 2:
                    stomp.script.drops_after_store = 1
                case 3:
                    stomp.script.upgrades = [(503, {})]

    async def send_all(chat: Chat) -> list[str]:
        return [await chat.send("yard", f"{number}") for number in range(50)]

    async with make_chat() as ada, make_chat() as bob:
        readers = [await ada.subscribe("yard"), await bob.subscribe("yard")]
        breaking = asyncio.create_task(break_things())
        lists = await asyncio.gather(*(send_all(chat) for chat in (ada, bob, ada)))
        breaking.cancel()
        ids = [event_id for sent in lists for event_id in sent]
        stored = [event["id"] for event in stomp.events["yard"][1:]]
        async with asyncio.timeout(10):
            seen = [[await anext(reader) for _ in ids] for reader in readers]

    assert sorted(ids) == stored
    assert len(stomp.connects) > 4
    assert [[event.id for event in events] for events in seen] == [stored, stored]  # type: ignore[union-attr]  # no Gap here


async def test_a_gap_is_reported_if_the_server_cannot_replay(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        last = await stomp.say("yard", "seen")
        assert await take(events, 1) == ["seen"]
        await stomp.stop()
        stomp.store("yard", "lost")
        stomp.script.kept_from = str(stomp.store("yard", "kept")["id"])
        await stomp.start()

        gap, kept = await anext(events), await anext(events)

        assert gap == Gap("yard", last)
        assert isinstance(kept, Event)
        assert kept.text == "kept"


async def test_a_gap_is_reported_without_a_position_to_resume_from(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    stomp.script.sends_position = False
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        await stomp.stop()
        stomp.script.sends_position = True
        stomp.store("yard", "unknown")
        await stomp.start()

        assert await take(events, 1) == ["GAP"]


async def test_a_room_that_was_empty_is_resumed_from_its_start(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        await stomp.stop()
        stomp.store("yard", "first")
        await stomp.start()

        assert await take(events, 1) == ["first"]
        assert stomp.subscribes[-1]["since"] == "start"


async def test_a_server_with_a_new_log_is_followed_after_a_gap(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        for _ in range(5):
            await stomp.say("yard", "old")
        assert await take(events, 5) == ["old"] * 5
        await stomp.stop()
        stomp.delete_all()
        await stomp.start()
        await eventually(lambda: stomp.peers and len(stomp.peers[0].subscriptions) == 3)

        await stomp.say("yard", "new")

        assert await take(events, 2) == ["GAP", "new"]


async def test_without_a_position_missed_events_are_recognised_by_time(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    known = await stomp.say("yard", "known")
    stomp.script.sends_end = False
    stomp.store("yard", "missed")
    async with make_chat() as chat:
        events = await chat.subscribe("yard", since=known)

        later = stomp.store("yard", "live") | {"at": "2999-01-02T03:04:05.678Z"}
        await stomp.deliver("yard", later)

        assert [(await anext(events)).missed for _ in range(2)] == [True, False]  # type: ignore[union-attr]  # no Gap here


async def test_an_empty_room_has_no_gap(stomp: StompServer, make_chat: MakeChat) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        stomp.drop_all()
        await eventually(lambda: len(stomp.connects) == 2)
        await eventually(lambda: stomp.peers and len(stomp.peers[0].subscriptions) == 3)

        await stomp.say("yard", "first")

        assert await take(events, 1) == ["first"]


async def test_an_event_out_of_order_ends_the_subscription_with_an_error(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        early, late = stomp.store("yard", "early"), stomp.store("yard", "late")

        await stomp.deliver("yard", late)
        await stomp.deliver("yard", early)

        assert await take(events, 1) == ["late"]
        with pytest.raises(OutOfOrder):
            await anext(events)
        await eventually(lambda: stomp.unsubscribes)


async def test_a_refused_subscription_raises_and_others_continue(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        stomp.script.subscribes = [problem("not-a-member", 403)]

        with pytest.raises(NotAMember):
            await chat.subscribe("secret")

        await stomp.say("yard", "still here")
        assert await take(events, 1) == ["still here"]


async def test_a_reader_whose_room_is_refused_after_a_reconnect_gets_the_error(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        await stomp.say("yard", "last words")
        await eventually(lambda: events.arrived)
        stomp.script.subscribes = [problem("not-a-member", 403)]
        stomp.drop_all()

        assert await take(events, 1) == ["last words"]
        with pytest.raises(NotAMember):
            await anext(events)


async def test_a_subscription_is_retried_while_the_server_is_unavailable(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    stomp.script.subscribes = [problem("unavailable", 503, retry_after_seconds=0)] * 2
    async with make_chat() as chat:
        events = await chat.subscribe("yard")

        await stomp.say("yard", "hello")

        assert await take(events, 1) == ["hello"]


async def test_a_subscription_that_failed_on_the_server_resumes_from_its_last_event(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        await stomp.say("yard", "one")
        assert await take(events, 1) == ["one"]

        await stomp.end_subscriptions("yard", problem("unavailable", 503))
        stomp.store("yard", "two")

        assert await take(events, 1) == ["two"]


async def test_a_subscription_that_the_server_ends_raises_the_reason(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")

        await stomp.end_subscriptions("yard", problem("not-a-member", 403))

        with pytest.raises(NotAMember):
            await anext(events)


async def test_a_subscription_that_waits_for_a_retry_survives_a_lost_connection(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    stomp.script.subscribes = [problem("unavailable", 503, retry_after_seconds=60)]
    async with make_chat() as chat:
        asking = asyncio.create_task(chat.subscribe("yard"))
        await eventually(lambda: not stomp.script.subscribes)
        stomp.drop_all()

        events = await asking

        await stomp.say("yard", "hello")
        assert await take(events, 1) == ["hello"]


async def test_closing_a_subscription_stops_its_reader_and_unsubscribes(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        events = await chat.subscribe("yard")
        await stomp.say("yard", "hello")
        await take(events, 1)
        reading = asyncio.create_task(anext(events, None))

        await events.close()

        assert await reading is None
        await eventually(lambda: stomp.unsubscribes)
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_closing_the_chat_stops_its_readers(stomp: StompServer, make_chat: MakeChat) -> None:
    chat = make_chat()
    async with chat:
        events = await chat.subscribe("yard")

    assert [event async for event in events] == []
    with pytest.raises(Closed):
        await chat.subscribe("yard")


async def test_events_of_the_user_arrive_without_a_subscription(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    invite = {"key": "i", "kind": "invite.received", "user": "id-ada", "sender": "bob"}
    invite |= {"at": "2026-01-02T03:04:05Z", "id": "000000000009"}
    async with make_chat() as chat:
        await eventually(lambda: "/user/queue/events" in stomp.peers[0].subscriptions.values())

        await stomp.tell(invite | {"data": {"room": "yard", "code": "c"}})

        event = await anext(chat.personal)
        assert isinstance(event, Event)
        assert (event.kind, event.user) == ("invite.received", "id-ada")


async def test_an_unread_personal_queue_keeps_the_latest_and_blocks_nothing(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat(queue_events=3) as chat:
        await eventually(lambda: "/user/queue/events" in stomp.peers[0].subscriptions.values())
        for number in range(10):
            event = stomp.store("user", f"n{number}") | {"room": None, "user": "id-ada"}
            await stomp.tell(event)
        await chat.send("yard", "not held up")

        assert await take(chat.personal, 3) == ["n7", "n8", "n9"]
        assert chat.personal.dropped == 7


async def test_notices_of_a_room_arrive_also_after_a_reconnect(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat() as chat:
        notices = await chat.live("yard")
        await stomp.notice("yard", "presence.joined", user="bob", name="Bob")
        await stomp.say("yard", "not a notice")
        stomp.peers[0].drop()
        await eventually(lambda: len(stomp.connects) == 2)
        await eventually(lambda: "/topic/rooms.yard.live" in str(stomp.peers[-1].subscriptions))
        await stomp.notice("yard", "presence.left", user="bob", name="Bob")

        received = [await anext(notices) for _ in range(2)]

        assert all(isinstance(event, Event) for event in received)
        assert [event.kind for event in received if isinstance(event, Event)] == [
            "presence.joined",
            "presence.left",
        ]


async def test_unread_notices_keep_the_latest_and_block_nothing(
    stomp: StompServer, make_chat: MakeChat
) -> None:
    async with make_chat(queue_events=3) as chat:
        notices = await chat.live("yard")
        for number in range(10):
            await stomp.notice("yard", "room.typing", text=f"n{number}")
        await chat.send("yard", "not held up")

        assert await take(notices, 3) == ["n7", "n8", "n9"]


async def test_notices_of_a_closed_chat_are_refused(make_chat: MakeChat) -> None:
    chat = make_chat()

    with pytest.raises(Closed):
        await chat.live("yard")
