"""SUBSCRIBE over a real socket: access, replay, limits and the end."""

from pathlib import Path

import pytest

from madang_common.events.envelope import Event
from madang_common.events.kinds import Role
from services.gateway.tests.harness import Harness, message, removal, running, until

YARD = "/topic/rooms.yard"
ERRORS = "/user/queue/errors"


async def test_the_receipt_says_where_a_subscription_starts(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
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


async def test_since_replays_missed_events_and_continues_live(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        ids = await harness.append(*(message(str(n)) for n in range(10)))
        await until(lambda: harness.metric("events_total") == 10)

        await mina.subscribe(YARD, since=ids[3])
        ids.append(await mina.send("live"))

        received = await mina.messages(7)
        assert [m.headers["message-id"] for m in received] == ids[4:]
        assert harness.history.requests == 0


async def test_events_dropped_from_memory_come_from_history(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=500, resume_page=7) as harness:
        ids = [one for n in range(50) for one in await harness.append(message(str(n)))]
        await until(lambda: harness.metric("events_total") == 50)
        async with harness.connected("mina") as mina:
            receipt = await mina.subscribe(YARD, since=ids[0])
            ids.append(await mina.send("live"))

            received = await mina.messages(50)

        assert receipt["resumed"] == "true"
        assert [m.headers["message-id"] for m in received] == ids[1:]
        assert harness.history.requests > 1


async def test_a_client_resumes_on_a_restarted_gateway(tmp_path: Path) -> None:
    async with running(tmp_path) as harness, harness.connected("mina") as mina:
        ids = [await mina.send(str(n)) for n in range(5)]
    async with running(tmp_path) as harness, harness.connected("mina") as mina:
        await mina.subscribe(YARD, since=ids[1])
        ids.append(await mina.send("after"))

        assert [m.headers["message-id"] for m in await mina.messages(4)] == ids[2:]


async def test_lost_events_are_reported_with_resumed_false(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=500) as harness:
        ids = [one for n in range(10) for one in await harness.append(message(str(n)))]
        await until(lambda: harness.metric("events_total") == 10)
        harness.history.lost_before = int(ids[5], 32)
        async with harness.connected("mina") as mina:
            receipt = await mina.subscribe(YARD, since=ids[0])
            last = await mina.send("live")

            assert receipt["resumed"] == "false"
            assert (await mina.messages(5))[-1].headers["message-id"] == last


@pytest.mark.parametrize("since", ["v" * 12, "00000000g000"])
async def test_an_unknown_since_starts_the_subscription_live(
    harness: Harness, since: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang_gateway.messages.seen._LAG_SECONDS", 0.05)
    async with harness.connected("mina") as mina:
        receipt = await mina.subscribe(YARD, since=since)
        said = await mina.send("hi")

        assert receipt["resumed"] == "false"
        assert receipt["position"] == "start"
        assert (await mina.message()).headers["message-id"] == said


async def test_the_subscriptions_of_a_connection_to_a_room_are_limited(tmp_path: Path) -> None:
    async with running(tmp_path, subscriptions_per_room=3) as harness:
        harness.rooms.add("mina", room="well")
        async with harness.connected("mina") as mina, harness.connected("mina") as another:
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
async def test_an_invalid_since_is_refused(harness: Harness, since: str) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")

        await mina.say(
            "SUBSCRIBE", {"id": "s", "destination": YARD, "since": since, "receipt": "7"}
        )

        refusal = await mina.refusal()
        assert (refusal["status"], refusal["subscription"]) == (400, "s")
        assert refusal["receipt-id"] == "7"
        await mina.subscribe(YARD)


async def test_without_history_a_subscribe_is_refused_as_unavailable(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=1, resume_seconds=0.1) as harness:
        ids = await harness.append(message(), message())
        await until(lambda: harness.metric("events_total") == 2)
        harness.history.away = True
        async with harness.connected("mina") as mina:
            await mina.subscribe(ERRORS, "errors")

            await mina.say("SUBSCRIBE", {"id": "s", "destination": YARD, "since": ids[0]})

            refusal = await mina.refusal()
            assert (refusal["status"], refusal["subscription"]) == (503, "s")
            harness.history.away = False
            await mina.subscribe(YARD, since=ids[0])
            assert (await mina.message()).headers["message-id"] == ids[1]


async def test_a_subscribe_survives_a_short_outage_of_history(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=1) as harness:
        ids = await harness.append(message(), message())
        await until(lambda: harness.metric("events_total") == 2)
        harness.history.away = True
        async with harness.connected("mina") as mina:
            await mina.say("SUBSCRIBE", {"id": "s", "destination": YARD, "since": ids[0]})
            await until(lambda: harness.history.requests > 0)
            await mina.send("meanwhile")

            harness.history.away = False

            assert (await mina.message()).headers["message-id"] == ids[1]
            assert (await mina.message()).text == "meanwhile"


async def test_unsubscribe_cancels_a_replay(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=1) as harness:
        ids = await harness.append(message("old"))
        await until(lambda: harness.metric("events_total") == 1)
        harness.history.lagging = True
        async with harness.connected("mina") as mina:
            await mina.say("SUBSCRIBE", {"id": "s", "destination": YARD, "since": "start"})
            await until(lambda: harness.history.requests > 0)

            await mina.say("UNSUBSCRIBE", {"id": "s", "receipt": "1"})
            await mina.receipt("1")
            harness.history.lagging = False
            await mina.subscribe(YARD, "again", since="start")

            assert (await mina.message("again")).headers["message-id"] == ids[0]
            assert mina.left() == []
            assert harness.metric("subscriptions") == 1


async def test_a_removal_cancels_a_replay(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=1) as harness:
        await harness.append(message("old"))
        await until(lambda: harness.metric("events_total") == 1)
        harness.history.lagging = True
        async with harness.connected("jun") as jun:
            await jun.say("SUBSCRIBE", {"id": "s", "destination": YARD, "since": "start"})
            await until(lambda: harness.history.requests > 0)

            del harness.rooms.roles["jun", "yard"]
            await harness.append(removal("jun"), message("secret"))
            await until(lambda: harness.metric("subscriptions") == 0)
            harness.history.lagging = False
            await jun.subscribe("/user/queue/events", "other")

            assert jun.left() == []


async def test_a_lost_connection_cancels_its_replays(tmp_path: Path) -> None:
    async with running(tmp_path, tail_bytes=1) as harness:
        await harness.append(message("old"))
        await until(lambda: harness.metric("events_total") == 1)
        harness.history.lagging = True
        async with harness.connected("jun") as jun:
            await jun.say("SUBSCRIBE", {"id": "s", "destination": YARD, "since": "start"})
            await until(lambda: harness.history.requests > 0)

        await until(lambda: harness.metric("connections") == 0)
        assert harness.metric("subscriptions") == 0


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
async def test_only_members_subscribe(harness: Harness, destination: str, status: int) -> None:
    async with harness.connected("ara") as ara:
        await ara.subscribe(ERRORS, "errors")

        await ara.say("SUBSCRIBE", {"id": "s", "destination": destination, "receipt": "7"})

        refusal = await ara.refusal()
        assert (refusal["status"], refusal["subscription"]) == (status, "s")
        assert ara.left("RECEIPT") == []
        assert harness.metric("subscriptions") == 1


async def test_a_refused_subscribe_without_an_errors_subscription_disconnects(
    harness: Harness,
) -> None:
    async with harness.connected("ara") as ara:
        await ara.say("SUBSCRIBE", {"id": "s", "destination": YARD, "receipt": "7"})

        assert (await ara.frame("ERROR")).headers["receipt-id"] == "7"
        assert await ara.closed() == 4403


async def test_a_new_member_may_subscribe_at_once(harness: Harness) -> None:
    async with harness.connected("ara") as ara:
        await ara.subscribe(ERRORS, "errors")
        await ara.say("SUBSCRIBE", {"id": "s", "destination": YARD})
        assert (await ara.refusal())["status"] == 403

        harness.rooms.roles["ara", "yard"] = Role.MEMBER

        await ara.subscribe(YARD)


async def test_without_the_rooms_service_an_uncached_member_is_refused_as_unavailable(
    harness: Harness,
) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await mina.subscribe(YARD)
        harness.rooms.away = True
        await jun.subscribe(ERRORS, "errors")

        await mina.subscribe(YARD, "again")
        await jun.say("SUBSCRIBE", {"id": "s", "destination": YARD})

        assert (await jun.refusal())["status"] == 503


async def test_an_archived_room_can_be_read(harness: Harness) -> None:
    harness.rooms.archived.add("yard")
    await harness.append(message("old"))
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD, since="start")

        assert (await mina.message()).text == "old"


async def test_user_events_are_delivered_to_that_user_only(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
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

        (said,) = await harness.append(invite)

        received = await mina.message("events")
        assert (received.json["kind"], received.headers["message-id"]) == ("invite.received", said)
        await jun.subscribe("/user/queue/errors", "errors")
        assert jun.left() == []
        await mina.subscribe("/user/queue/events", "again", since="start")
        assert (await mina.message("again")).headers["message-id"] == said


async def test_there_is_a_limit_to_subscriptions(tmp_path: Path) -> None:
    async with (
        running(tmp_path, subscriptions_per_connection=2) as harness,
        harness.connected("mina") as mina,
    ):
        for subscription in ("a", "b"):
            await mina.subscribe(YARD, subscription)

        await mina.say("SUBSCRIBE", {"id": "c", "destination": YARD})

        assert await mina.closed() == 4400


async def test_a_replay_during_traffic_has_no_gap(tmp_path: Path) -> None:
    async with (
        running(tmp_path, tail_bytes=3000, resume_page=5, sends_burst=10_000) as harness,
        harness.connected("jun") as jun,
    ):
        ids = [await jun.send(str(n)) for n in range(40)]
        for round_ in range(10):
            async with harness.connected("mina") as mina:
                since = ids[round_ * 3]
                await mina.say("SUBSCRIBE", {"id": "s", "destination": YARD, "since": since})
                ids += [await jun.send("more") for _ in range(10)]

                expected = ids[round_ * 3 + 1 :]
                received = await mina.messages(len(expected))
                assert [m.headers["message-id"] for m in received] == expected
