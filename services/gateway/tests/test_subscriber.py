"""SUBSCRIBE over a real socket: who may, from where on, and how it ends."""

from pathlib import Path

import pytest

from madang_common.events.envelope import Event
from madang_common.events.kinds import Role
from services.gateway.tests.scene import Scene, message, removal, running, until

YARD = "/topic/rooms.yard"
ERRORS = "/user/queue/errors"


async def test_the_receipt_says_where_a_subscription_begins(scene: Scene) -> None:
    async with scene.connected("mina") as mina:
        at_first = await mina.subscribe(YARD, "a")
        said = await mina.send("hi")
        later = await mina.subscribe(YARD, "b")

        again = await mina.subscribe(YARD, "c", since=at_first["position"])
        nothing = await mina.subscribe(YARD, "d", since=later["position"])
        await mina.send("bye")

        assert (at_first["subscription"], at_first["position"]) == ("a", "start")
        assert "resumed" not in at_first
        assert said <= later["position"]
        assert again["resumed"] == nothing["resumed"] == "true"
        assert [m.text for m in await mina.messages(2, "c")] == ["hi", "bye"]
        assert (await mina.message("d")).text == "bye"


async def test_since_gives_exactly_what_was_missed_and_goes_on(scene: Scene) -> None:
    async with scene.connected("mina") as mina:
        ids = await scene.append(*(message(str(n)) for n in range(10)))
        await until(lambda: scene.metric("events_total") == 10)

        await mina.subscribe(YARD, since=ids[3])
        ids.append(await mina.send("live"))

        heard = await mina.messages(7)
        assert [m.headers["message-id"] for m in heard] == ids[4:]
        assert scene.history.asked == 0


async def test_what_the_tail_lost_comes_from_history(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=500, resume_page=7) as scene:
        ids = [one for n in range(50) for one in await scene.append(message(str(n)))]
        await until(lambda: scene.metric("events_total") == 50)
        async with scene.connected("mina") as mina:
            receipt = await mina.subscribe(YARD, since=ids[0])
            ids.append(await mina.send("live"))

            heard = await mina.messages(50)

        assert receipt["resumed"] == "true"
        assert [m.headers["message-id"] for m in heard] == ids[1:]
        assert scene.history.asked > 1


async def test_a_restarted_gateway_goes_on_where_the_client_was(tmp_path: Path) -> None:
    async with running(tmp_path) as scene, scene.connected("mina") as mina:
        ids = [await mina.send(str(n)) for n in range(5)]
    async with running(tmp_path) as scene, scene.connected("mina") as mina:
        await mina.subscribe(YARD, since=ids[1])
        ids.append(await mina.send("after"))

        assert [m.headers["message-id"] for m in await mina.messages(4)] == ids[2:]


async def test_what_nobody_has_any_more_is_not_pretended(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=500) as scene:
        ids = [one for n in range(10) for one in await scene.append(message(str(n)))]
        await until(lambda: scene.metric("events_total") == 10)
        scene.history.lost_before = int(ids[5], 32)
        async with scene.connected("mina") as mina:
            receipt = await mina.subscribe(YARD, since=ids[0])
            last = await mina.send("live")

            assert receipt["resumed"] == "false"
            assert (await mina.messages(5))[-1].headers["message-id"] == last


@pytest.mark.parametrize("since", ["v" * 12, "00000000g000"])
async def test_an_id_that_was_never_given_is_lost_and_the_subscription_goes_on(
    scene: Scene, since: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang_gateway.resume._LAG_SECONDS", 0.05)
    async with scene.connected("mina") as mina:
        receipt = await mina.subscribe(YARD, since=since)
        said = await mina.send("hi")

        assert receipt["resumed"] == "false"
        assert receipt["position"] == "start"
        assert (await mina.message()).headers["message-id"] == said


async def test_a_connection_follows_a_room_a_few_times_at_most(tmp_path: Path) -> None:
    async with running(tmp_path, subscriptions_per_room=3) as scene:
        scene.rooms.add("mina", room="well")
        async with scene.connected("mina") as mina, scene.connected("mina") as another:
            await mina.subscribe(ERRORS, "errors")
            for number, topic in enumerate([YARD, f"{YARD}.live", "/sub/chat/room/yard"]):
                await mina.subscribe(topic, str(number))

            await mina.say("SUBSCRIBE", {"id": "s", "destination": YARD})

            refusal = await mina.refusal()
            assert (refusal["status"], refusal["subscription"]) == (403, "s")
            await mina.subscribe("/topic/rooms.well")
            await another.subscribe(YARD)
            await mina.say("UNSUBSCRIBE", {"id": "0"})
            await mina.subscribe(YARD, "again")


@pytest.mark.parametrize("since", ["", "yesterday", "z" * 12, "0" * 13])
async def test_since_that_is_no_id_is_refused(scene: Scene, since: str) -> None:
    async with scene.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")

        await mina.say(
            "SUBSCRIBE", {"id": "s", "destination": YARD, "since": since, "receipt": "7"}
        )

        refusal = await mina.refusal()
        assert (refusal["status"], refusal["subscription"]) == (400, "s")
        assert refusal["receipt-id"] == "7"
        await mina.subscribe(YARD)


async def test_with_history_away_the_client_is_told_to_try_again(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=1, resume_seconds=0.1) as scene:
        ids = await scene.append(message(), message())
        await until(lambda: scene.metric("events_total") == 2)
        scene.history.away = True
        async with scene.connected("mina") as mina:
            await mina.subscribe(ERRORS, "errors")

            await mina.say("SUBSCRIBE", {"id": "s", "destination": YARD, "since": ids[0]})

            refusal = await mina.refusal()
            assert (refusal["status"], refusal["subscription"]) == (503, "s")
            scene.history.away = False
            await mina.subscribe(YARD, since=ids[0])
            assert (await mina.message()).headers["message-id"] == ids[1]


async def test_history_that_is_away_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=1) as scene:
        ids = await scene.append(message(), message())
        await until(lambda: scene.metric("events_total") == 2)
        scene.history.away = True
        async with scene.connected("mina") as mina:
            await mina.say("SUBSCRIBE", {"id": "s", "destination": YARD, "since": ids[0]})
            await until(lambda: scene.history.asked > 0)
            await mina.send("meanwhile")

            scene.history.away = False

            assert (await mina.message()).headers["message-id"] == ids[1]
            assert (await mina.message()).text == "meanwhile"


async def test_unsubscribe_ends_a_resumption_under_way(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=1) as scene:
        ids = await scene.append(message("old"))
        await until(lambda: scene.metric("events_total") == 1)
        scene.history.lagging = True
        async with scene.connected("mina") as mina:
            await mina.say("SUBSCRIBE", {"id": "s", "destination": YARD, "since": "start"})
            await until(lambda: scene.history.asked > 0)

            await mina.say("UNSUBSCRIBE", {"id": "s", "receipt": "1"})
            await mina.receipt("1")
            scene.history.lagging = False
            await mina.subscribe(YARD, "again", since="start")

            assert (await mina.message("again")).headers["message-id"] == ids[0]
            assert mina.left() == []
            assert scene.metric("subscriptions") == 1


async def test_who_is_removed_while_resuming_gets_nothing_more(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=1) as scene:
        await scene.append(message("old"))
        await until(lambda: scene.metric("events_total") == 1)
        scene.history.lagging = True
        async with scene.connected("jun") as jun:
            await jun.say("SUBSCRIBE", {"id": "s", "destination": YARD, "since": "start"})
            await until(lambda: scene.history.asked > 0)

            del scene.rooms.roles["jun", "yard"]
            await scene.append(removal("jun"), message("secret"))
            await until(lambda: scene.metric("subscriptions") == 0)
            scene.history.lagging = False
            await jun.subscribe("/user/queue/events", "other")

            assert jun.left() == []


async def test_who_goes_away_while_resuming_leaves_nothing_behind(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=1) as scene:
        await scene.append(message("old"))
        await until(lambda: scene.metric("events_total") == 1)
        scene.history.lagging = True
        async with scene.connected("jun") as jun:
            await jun.say("SUBSCRIBE", {"id": "s", "destination": YARD, "since": "start"})
            await until(lambda: scene.history.asked > 0)

        await until(lambda: scene.metric("connections") == 0)
        assert scene.metric("subscriptions") == 0


@pytest.mark.parametrize(
    ("destination", "status"),
    [
        (YARD, 403),
        (f"{YARD}.live", 403),
        ("/topic/rooms.unknown", 404),
        ("/sub/chat/room/yard", 403),
        ("/topic/users.mina", 404),
        ("/nowhere", 404),
    ],
)
async def test_only_members_subscribe(scene: Scene, destination: str, status: int) -> None:
    async with scene.connected("ara") as ara:
        await ara.subscribe(ERRORS, "errors")

        await ara.say("SUBSCRIBE", {"id": "s", "destination": destination, "receipt": "7"})

        refusal = await ara.refusal()
        assert (refusal["status"], refusal["subscription"]) == (status, "s")
        assert ara.left("RECEIPT") == []
        assert scene.metric("subscriptions") == 1


async def test_a_refused_subscribe_closes_who_does_not_listen_for_refusals(scene: Scene) -> None:
    async with scene.connected("ara") as ara:
        await ara.say("SUBSCRIBE", {"id": "s", "destination": YARD, "receipt": "7"})

        assert (await ara.frame("ERROR")).headers["receipt-id"] == "7"
        assert await ara.closed() == 4403


async def test_whoever_joins_may_subscribe_at_once(scene: Scene) -> None:
    async with scene.connected("ara") as ara:
        await ara.subscribe(ERRORS, "errors")
        await ara.say("SUBSCRIBE", {"id": "s", "destination": YARD})
        assert (await ara.refusal())["status"] == 403

        scene.rooms.roles["ara", "yard"] = Role.MEMBER

        await ara.subscribe(YARD)


async def test_with_rooms_away_a_stranger_is_told_to_try_again(scene: Scene) -> None:
    async with scene.connected("mina") as mina, scene.connected("jun") as jun:
        await mina.subscribe(YARD)
        scene.rooms.away = True
        await jun.subscribe(ERRORS, "errors")

        await mina.subscribe(YARD, "again")
        await jun.say("SUBSCRIBE", {"id": "s", "destination": YARD})

        assert (await jun.refusal())["status"] == 503


async def test_an_archived_room_can_be_read(scene: Scene) -> None:
    scene.rooms.archived.add("yard")
    await scene.append(message("old"))
    async with scene.connected("mina") as mina:
        await mina.subscribe(YARD, since="start")

        assert (await mina.message()).text == "old"


async def test_what_concerns_a_user_comes_to_that_user_alone(scene: Scene) -> None:
    async with scene.connected("mina") as mina, scene.connected("jun") as jun:
        for client in (mina, jun):
            await client.subscribe("/user/queue/events", "events")
        invite = Event(
            key="k",
            kind="invite.received",
            sender="jun",
            sender_name="Jun",
            at="2026-01-01T00:00:00.000Z",
            data={"room": "well", "room_name": "Well", "code": "c", "by": "jun"},
            user="mina",
        )

        (said,) = await scene.append(invite)

        heard = await mina.message("events")
        assert (heard.json["kind"], heard.headers["message-id"]) == ("invite.received", said)
        await jun.subscribe("/user/queue/errors", "errors")
        assert jun.left() == []
        await mina.subscribe("/user/queue/events", "again", since="start")
        assert (await mina.message("again")).headers["message-id"] == said


async def test_there_is_a_limit_to_subscriptions(tmp_path: Path) -> None:
    async with (
        running(tmp_path, subscriptions_per_connection=2) as scene,
        scene.connected("mina") as mina,
    ):
        for subscription in ("a", "b"):
            await mina.subscribe(YARD, subscription)

        await mina.say("SUBSCRIBE", {"id": "c", "destination": YARD})

        assert await mina.closed() == 4400


async def test_resuming_while_everybody_talks_leaves_no_gap(tmp_path: Path) -> None:
    async with (
        running(tmp_path, tail_bytes=3000, resume_page=5, sends_burst=10_000) as scene,
        scene.connected("jun") as jun,
    ):
        ids = [await jun.send(str(n)) for n in range(40)]
        for round_ in range(10):
            async with scene.connected("mina") as mina:
                since = ids[round_ * 3]
                await mina.say("SUBSCRIBE", {"id": "s", "destination": YARD, "since": since})
                ids += [await jun.send("more") for _ in range(10)]

                expected = ids[round_ * 3 + 1 :]
                heard = await mina.messages(len(expected))
                assert [m.headers["message-id"] for m in heard] == expected
