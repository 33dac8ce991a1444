"""What a client of STOMP sees, over a real socket."""

import asyncio
import time
from pathlib import Path

import pytest

from madang_common.events.envelope import Event
from madang_common.problems import NotFound
from madang_gateway.node import node
from madang_gateway.publish import command
from services.gateway.tests.harness import Harness, removal, running, until
from services.gateway.tests.stomp_client import Client, read_frames, written

YARD = "/topic/rooms.yard"
ERRORS = "/user/queue/errors"
SEND = "/app/rooms.yard.send"


async def connect_with(client: Client, **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    await client.say("CONNECT", {"accept-version": "1.2", "host": "x", **named})


# CONNECT


@pytest.mark.parametrize(
    ("header", "scheme"),
    [
        ("Authorization", "Bearer "),
        ("Authorization", "bearer "),
        ("Authorization", ""),
        ("authorization", "Bearer "),
        ("token", ""),
        ("passcode", ""),
    ],
)
async def test_the_token_may_come_in_any_of_the_usual_headers(
    harness: Harness, header: str, scheme: str
) -> None:
    async with harness.opened() as client:
        await client.say(
            "CONNECT", {"accept-version": "1.2", header: scheme + harness.issuer.token("mina")}
        )

        connected = await client.frame("CONNECTED")

        assert connected.headers["user-name"] == "mina"
        assert connected.headers["version"] == "1.2"


@pytest.mark.parametrize("token", [None, "", "nonsense", "a.b.c", "Bearer", "[" * 3000])
async def test_without_a_good_token_nobody_gets_in(harness: Harness, token: str | None) -> None:
    async with harness.opened() as client:
        await connect_with(client, **({} if token is None else {"Authorization": token}))

        error = await client.frame("ERROR")

        assert error.json["type"] == "urn:madang:problem:unauthenticated"
        assert await client.closed() == 4401


async def test_a_token_that_does_not_hold_lets_nobody_in(harness: Harness) -> None:
    tokens = [
        harness.issuer.token("mina", seconds=-1),
        harness.issuer.token("mina", aud="other"),
        harness.issuer.token("mina", iss="other"),
        harness.issuer.token("mina", sid=""),
        harness.issuer.service_token("rooms"),
        harness.issuer.token("mina")[:-4] + "AAAA",
    ]
    for token in tokens:
        async with harness.opened() as client:
            await connect_with(client, Authorization=f"Bearer {token}")

            assert await client.closed() == 4401
            assert client.left("CONNECTED") == []


async def test_what_comes_before_connect_is_an_error(harness: Harness) -> None:
    async with harness.opened() as client:
        await client.say("SEND", {"destination": SEND}, b"hi")

        assert (await client.frame("ERROR")).headers["message"] == "not connected"
        assert await client.closed() == 4400


async def test_a_client_that_never_says_connect_is_let_go(tmp_path: Path) -> None:
    async with running(tmp_path, connect_seconds=0.2) as harness, harness.opened() as client:
        assert await client.closed() == 4511


async def test_a_user_may_have_so_many_connections_and_no_more(tmp_path: Path) -> None:
    async with (
        running(tmp_path, connections_per_user=1) as harness,
        harness.connected("mina"),
        harness.opened() as second,
    ):
        await connect_with(second, token=harness.issuer.token("mina"))
        assert await second.closed() == 4529

        async with harness.connected("jun"):
            pass


async def test_frames_right_behind_connect_wait_for_their_turn(harness: Harness) -> None:
    async with harness.opened() as client:
        token = harness.issuer.token("mina")
        await client.raw(
            written("CONNECT", {"accept-version": "1.2", "passcode": token})
            + written("SUBSCRIBE", {"id": "s", "destination": YARD, "receipt": "1"})
            + written("SEND", {"destination": SEND, "receipt": "2"}, b"hi")
        )

        await client.frame("CONNECTED")
        await client.receipt("1")
        await client.receipt("2")
        assert (await client.message()).text == "hi"


@pytest.mark.parametrize(
    ("accepted", "agreed"),
    [({"accept-version": "1.1,1.0"}, "1.1"), ({"accept-version": "1.2"}, "1.2"), ({}, "1.0")],
)
async def test_of_several_subprotocols_the_versions_of_all_are_open(
    harness: Harness, accepted: dict[str, str], agreed: str
) -> None:
    async with harness.opened(subprotocols=["v10.stomp", "v11.stomp", "v12.stomp"]) as client:
        await client.say("CONNECT", accepted | {"passcode": harness.issuer.token("mina")})

        assert (await client.frame("CONNECTED")).headers["version"] == agreed


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_every_version_of_stomp_is_spoken(harness: Harness, version: str) -> None:
    async with harness.opened(subprotocols=None) as client:
        await client.say(
            "STOMP", {"accept-version": version, "passcode": harness.issuer.token("mina")}
        )
        assert (await client.frame("CONNECTED")).headers["version"] == version
        await client.subscribe(YARD)

        said = await client.send("hi")

        assert (await client.message()).headers["message-id"] == said


# Talking


async def test_two_users_talk_and_each_send_gets_a_receipt_with_its_id(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await mina.subscribe(YARD)
        await jun.subscribe(YARD)

        said = await mina.send("안녕")
        answered = await jun.send("hi")

        for client in (mina, jun):
            first, second = await client.messages(2)
            assert (first.text, second.text) == ("안녕", "hi")
            assert (first.headers["message-id"], second.headers["message-id"]) == (said, answered)
            assert first.json["id"] == said
            assert (first.json["sender"], first.json["room"]) == ("mina", "yard")
        assert said < answered


async def test_headers_are_passed_on_and_tokens_never(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await jun.subscribe(YARD)
        secret = harness.issuer.token("mina")

        await mina.send(
            "hi",
            **{"x-color": "red: \n dark", "Authorization": secret, "token": secret, "login": "m"},
        )
        heard = await jun.message()

        assert heard.headers["x-color"] == "red: \n dark"
        assert secret not in str(heard)
        assert not {"Authorization", "token", "login", "receipt"} & heard.headers.keys()


async def test_the_same_key_again_gets_the_same_id_and_is_shown_once(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await jun.subscribe(YARD)

        ids = [await mina.send("hi", key="k") for _ in range(3)]
        last = await mina.send("bye")

        assert len(set(ids)) == 1
        assert [m.headers["message-id"] for m in await jun.messages(2)] == [ids[0], last]


async def test_a_retry_after_the_gateway_forgot_gets_the_first_ones_id(tmp_path: Path) -> None:
    async with running(tmp_path) as harness, harness.connected("mina") as mina:
        first = await mina.send("hi", key="k")
    async with (
        running(tmp_path, tail_seconds=0, key_seconds=1e-6, key_count=1) as harness,
        harness.connected("mina") as mina,
    ):
        for _ in range(2):
            await mina.send("push the key out")

        again = await mina.send("hi", key="k", retry="true")

        assert again == first
        assert harness.history.asked == 1


async def test_many_sends_at_once_are_all_answered_and_in_order(tmp_path: Path) -> None:
    async with (
        running(tmp_path, sends_burst=1000) as harness,
        harness.connected("mina") as mina,
        harness.connected("jun") as jun,
    ):
        await jun.subscribe(YARD)
        texts = [str(n) for n in range(500)]

        await mina.raw(
            b"".join(
                written("SEND", {"destination": SEND, "receipt": text}, text.encode())
                for text in texts
            )
        )

        ids = [(await mina.receipt(text)).headers["message-id"] for text in texts]
        heard = await jun.messages(500)
        assert [message.text for message in heard] == texts
        assert [message.headers["message-id"] for message in heard] == ids == sorted(ids)


# Refusals


async def test_a_refused_send_costs_nothing_where_refusals_are_listened_for(
    harness: Harness,
) -> None:
    async with harness.connected("ara") as ara:
        await ara.subscribe(ERRORS, "errors")

        await ara.say("SEND", {"destination": SEND, "receipt": "7"}, b"hi")

        refusal = await ara.message("errors")
        assert refusal.headers["receipt-id"] == "7"
        assert refusal.headers["content-type"] == "application/problem+json"
        assert refusal.json["type"] == "urn:madang:problem:not-a-member"
        assert refusal.json["receipt-id"] == "7"
        await ara.subscribe("/user/queue/events", "events")
        assert ara.left("RECEIPT") == []


async def test_a_refused_send_otherwise_is_an_error_and_the_end(harness: Harness) -> None:
    async with harness.connected("ara") as ara:
        await ara.say("SEND", {"destination": SEND, "receipt": "7"}, b"hi")

        error = await ara.frame("ERROR")

        assert error.headers["receipt-id"] == "7"
        assert error.json["status"] == 403
        assert await ara.closed() == 4403


@pytest.mark.parametrize("dropped", ["first", "second"])
async def test_refusals_go_on_as_long_as_one_subscription_is_left(
    harness: Harness, dropped: str
) -> None:
    async with harness.connected("ara") as ara:
        for subscription in ("first", "second"):
            await ara.subscribe(ERRORS, subscription)

        await ara.say("UNSUBSCRIBE", {"id": dropped})
        await ara.say("SEND", {"destination": SEND}, b"hi")

        left = "second" if dropped == "first" else "first"
        assert (await ara.refusal(left))["status"] == 403


async def test_whoever_listens_for_refusals_no_more_is_closed(harness: Harness) -> None:
    async with harness.connected("ara") as ara:
        await ara.subscribe(ERRORS, "errors")
        await ara.say("UNSUBSCRIBE", {"id": "errors"})

        await ara.say("SEND", {"destination": SEND}, b"hi")

        assert await ara.closed() == 4403


@pytest.mark.parametrize(
    ("headers", "body", "slug"),
    [
        ({"destination": "/queue/nothing"}, b"hi", "not-found"),
        ({"destination": "/app/rooms.unknown.send"}, b"hi", "not-found"),
        ({"destination": SEND}, b"", "invalid-body"),
        ({"destination": SEND}, b"x" * 16_385, "too-large"),
        ({"destination": SEND, "key": "k" * 65}, b"hi", "invalid-request"),
        ({"destination": SEND, "content-type": "application/json"}, b"{}", "invalid-body"),
        ({"destination": SEND, "x": "y" * 5000}, b"hi", "invalid-request"),
        ({"destination": "/app/rooms.yard.read"}, b"{}", "invalid-body"),
        ({"destination": SEND, "Authorization": "nonsense"}, b"hi", "unauthenticated"),
        ({"destination": "/app/token"}, b"nonsense", "unauthenticated"),
        ({"destination": "/app/token"}, b"", "unauthenticated"),
    ],
)
async def test_each_refusal_has_its_kind(
    harness: Harness, headers: dict[str, str], body: bytes, slug: str
) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")

        await mina.say("SEND", {**headers, "receipt": "7"}, body)

        refusal = await mina.refusal()
        assert refusal["type"] == f"urn:madang:problem:{slug}"
        assert refusal["receipt-id"] == "7"
        assert await mina.send("still here")
        assert harness.metric("refusals_total", type=slug) == 1


async def test_who_sends_too_fast_is_told_to_wait(tmp_path: Path) -> None:
    async with (
        running(tmp_path, sends_burst=2, sends_per_second=0.1) as harness,
        harness.connected("mina") as mina,
    ):
        await mina.subscribe(ERRORS, "errors")
        for _ in range(2):
            await mina.send("hi")

        await mina.say("SEND", {"destination": SEND}, b"hi")

        assert (await mina.refusal())["status"] == 429
        assert (await harness.post("mina", text="hi")).status_code == 429


async def test_a_key_used_for_something_else_is_a_conflict(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")
        await mina.send("hi", key="k")

        await mina.say("SEND", {"destination": SEND, "key": "k", "receipt": "7"}, b"bye")

        assert (await mina.refusal())["type"] == "urn:madang:problem:key-conflict"


async def test_nobody_writes_to_an_archived_room(harness: Harness) -> None:
    harness.rooms.archived.add("yard")
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")
        await mina.subscribe(YARD)

        await mina.say("SEND", {"destination": SEND}, b"hi")

        assert (await mina.refusal())["status"] == 403


async def test_with_rooms_away_known_members_go_on_and_others_try_again(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await mina.send("hi")
        await jun.subscribe(ERRORS, "errors")
        harness.rooms.away = True

        assert await mina.send("hi")
        await jun.say("SEND", {"destination": SEND}, b"hi")

        assert (await jun.refusal())["status"] == 503


# Tokens on the way


async def test_a_send_with_another_users_token_is_refused(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")

        assert await mina.send("hi", Authorization=f"Bearer {harness.issuer.token('mina')}")
        await mina.say(
            "SEND", {"destination": SEND, "Authorization": harness.issuer.token("jun")}, b"hi"
        )

        assert (await mina.refusal())["status"] == 401


async def test_a_subscribe_with_another_users_token_is_refused(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")
        await mina.subscribe(YARD, "mine", authorization=harness.issuer.token("mina"))

        for header in ("Authorization", "authorization"):
            token = harness.issuer.token("jun")
            await mina.say("SUBSCRIBE", {"id": "theirs", "destination": YARD, header: token})

            refusal = await mina.refusal()
            assert (refusal["status"], refusal["subscription"]) == (401, "theirs")


async def test_each_send_may_have_to_carry_a_token(tmp_path: Path) -> None:
    async with (
        running(tmp_path, send_token_required=True) as harness,
        harness.connected("mina") as mina,
    ):
        await mina.subscribe(ERRORS, "errors")

        await mina.say("SEND", {"destination": SEND}, b"hi")

        assert (await mina.refusal())["status"] == 401
        assert await mina.send("hi", Authorization=harness.issuer.token("mina"))


async def test_the_connection_ends_with_its_token(harness: Harness) -> None:
    async with harness.connected("mina", seconds=2) as mina:
        assert await mina.closed() == 4501
        assert mina.left("ERROR")[0].json["status"] == 401


@pytest.mark.parametrize(
    ("command", "destination"), [("SEND", SEND), ("SEND", "/app/token"), ("SUBSCRIBE", YARD)]
)
async def test_an_expired_token_does_nothing_more_though_no_tick_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, destination: str
) -> None:
    monkeypatch.setattr(node, "_TICK_SECONDS", 60)
    async with (
        running(tmp_path, heartbeat_seconds=600) as harness,
        harness.connected("mina", seconds=2) as mina,
    ):
        expired_at = int(time.time()) + 2.01
        await mina.subscribe(YARD, "before")

        await asyncio.sleep(expired_at - time.time())
        body = harness.issuer.token("mina").encode() if destination == "/app/token" else b"late"
        await mina.say(command, {"id": "s", "destination": destination, "receipt": "late"}, body)

        assert await mina.closed() == 4501
        assert mina.left("RECEIPT") == mina.left() == []
        assert harness.metric("sends_total") == harness.metric("subscriptions") == 0


@pytest.mark.parametrize("in_header", [True, False])
async def test_a_fresh_token_in_time_keeps_it_open(harness: Harness, *, in_header: bool) -> None:
    async with (
        harness.connected("mina", seconds=2) as renewed,
        harness.connected("jun", seconds=2) as j,
    ):
        token = harness.issuer.token("mina")
        headers = {"Authorization": f"Bearer {token}"} if in_header else {}
        body = "" if in_header else token

        await renewed.send(body, destination="/app/token", **headers)
        assert await j.closed() == 4501

        assert await renewed.send("still here")


async def test_a_token_cannot_turn_one_user_into_another(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")
        await mina.subscribe(YARD)

        await mina.say("SEND", {"destination": "/app/token"}, harness.issuer.token("jun").encode())

        assert (await mina.refusal())["status"] == 401
        await mina.send("hi")
        assert (await mina.message()).json["sender"] == "mina"


@pytest.mark.parametrize("login", ["login-of-mina", "*"])
async def test_an_ended_login_closes_its_connections(harness: Harness, login: str) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        harness.live.publish(login_ended("mina", login))

        assert await mina.closed() == 4410
        assert await jun.send("still here")


async def test_a_token_of_an_ended_login_opens_nothing_any_more(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        harness.live.publish(login_ended("mina", "login-of-mina"))
        assert await mina.closed() == 4410

    async with harness.opened() as again:
        token = harness.issuer.token("mina")
        await again.say("CONNECT", {"accept-version": "1.2", "host": "x", "passcode": token})
        assert await again.closed() == 4401
    assert (await harness.post("mina", text="hi")).status_code == 401


async def test_another_login_of_the_user_goes_on(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        harness.live.publish(login_ended("mina", "another"))
        harness.live.publish(b"nonsense")
        harness.live.publish(login_ended("mina", "yet another"))

        await mina.subscribe("/topic/rooms.yard.live")
        await mina.send("", destination="/app/rooms.yard.typing")
        assert (await mina.message()).json["kind"] == "room.typing"


def login_ended(user: str, login: str) -> bytes:
    return Event(
        key="k",
        kind="login.ended",
        sender="service:auth",
        sender_name="auth",
        at="2026-01-01T00:00:00.000Z",
        data={"login": login},
        user=user,
    ).line()


# Live notices


async def test_typing_is_told_to_whoever_follows_the_live_notices(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        receipt = await jun.subscribe("/topic/rooms.yard.live", "live")
        await jun.subscribe(YARD)

        assert await mina.send("", destination="/app/rooms.yard.typing") == ""
        await mina.send("hi")

        notice = await jun.message("live")
        assert (notice.json["kind"], notice.json["sender"]) == ("room.typing", "mina")
        assert "id" not in notice.json
        assert (await jun.message()).text == "hi"
        assert "position" not in receipt


async def test_only_members_give_and_get_live_notices(harness: Harness) -> None:
    async with harness.connected("ara") as ara:
        await ara.subscribe(ERRORS, "errors")

        await ara.say("SUBSCRIBE", {"id": "s", "destination": "/topic/rooms.yard.live"})
        assert (await ara.refusal())["status"] == 403
        await ara.say("SEND", {"destination": "/app/rooms.yard.typing"})
        assert (await ara.refusal())["status"] == 403


# Transactions, UNSUBSCRIBE, DISCONNECT


async def test_a_transaction_is_sent_when_it_is_committed_and_not_before(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await jun.subscribe(YARD)
        await mina.say("BEGIN", {"transaction": "t", "receipt": "begin"})
        await mina.receipt("begin")
        for text in ("a", "b"):
            headers = {"destination": SEND, "transaction": "t", "receipt": text}
            await mina.say("SEND", headers, text.encode())
            await mina.receipt(text)
        await mina.send("first")

        await mina.say("COMMIT", {"transaction": "t", "receipt": "commit"})
        await mina.receipt("commit")

        assert [message.text for message in await jun.messages(3)] == ["first", "a", "b"]


async def test_an_aborted_transaction_says_nothing(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD)
        await mina.say("BEGIN", {"transaction": "t"})
        await mina.say("SEND", {"destination": SEND, "transaction": "t"}, b"a")

        await mina.say("ABORT", {"transaction": "t"})
        await mina.send("b")

        assert (await mina.message()).text == "b"


@pytest.mark.parametrize(
    ("destination", "slug"),
    [
        ("/app/token", "invalid-request"),
        ("/app/rooms.unknown.send", NotFound.slug),
        ("/nowhere", NotFound.slug),
    ],
)
async def test_what_is_refused_in_a_transaction_is_told_at_its_commit(
    harness: Harness, destination: str, slug: str
) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")
        await mina.say("BEGIN", {"transaction": "t"})
        await mina.say("SEND", {"destination": destination, "transaction": "t"}, b"a")

        await mina.say("COMMIT", {"transaction": "t", "receipt": "7"})

        refusal = await mina.refusal()
        assert refusal["type"] == f"urn:madang:problem:{slug}"
        assert (refusal["transaction"], refusal["receipt-id"]) == ("t", "7")


async def test_after_unsubscribe_nothing_more_comes(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD, "a")
        await mina.subscribe(YARD, "b")

        await mina.say("UNSUBSCRIBE", {"id": "a", "receipt": "1"})
        await mina.receipt("1")
        await mina.send("hi")
        await mina.message("b")

        assert mina.left() == []
        await mina.subscribe(YARD, "a")
        await until(lambda: harness.metric("subscriptions") == 2)


async def test_disconnect_is_answered_after_all_that_was_sent_before(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        frames = [
            written("SEND", {"destination": SEND, "receipt": str(n)}, b"hi") for n in range(20)
        ]

        await mina.raw(b"".join([*frames, written("DISCONNECT", {"receipt": "bye"})]))

        assert await mina.closed() == 1000
        receipts = [frame.headers["receipt-id"] for frame in mina.left("RECEIPT")]
        assert receipts == [*map(str, range(20)), "bye"]


async def test_disconnect_without_a_receipt_just_closes(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.say("DISCONNECT", {})

        assert await mina.closed() == 1000
        await until(lambda: harness.metric("connections") == 0)


async def test_a_removed_member_gets_the_removal_and_nothing_after_it(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        for client in (mina, jun):
            await client.subscribe(YARD)
            await client.subscribe("/topic/rooms.yard.live", "live")
        del harness.rooms.roles["jun", "yard"]

        await harness.append(removal("jun"))
        await mina.send("about jun")
        await mina.send("", destination="/app/rooms.yard.typing")
        await mina.message("live")

        assert (await jun.message()).json["kind"] == "member.removed"
        await jun.subscribe(ERRORS, "errors")
        await jun.say("SEND", {"destination": SEND}, b"hi")
        assert (await jun.refusal())["status"] == 403
        assert jun.left() == []


# Tutorials


async def test_a_tutorials_client_and_ours_talk_to_each_other(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await mina.subscribe("/sub/chat/room/yard", "first")
        await mina.subscribe("/exchange/chat.exchange/room.yard", "second")
        await jun.subscribe(YARD)

        talk = b'{"type":"TALK","roomId":"yard","sender":"somebody else","message":"hello"}'
        await mina.say("SEND", {"destination": "/pub/chat/message"}, talk)
        await mina.say("SEND", {"destination": "/pub/chat.message.yard"}, b'{"type":"ENTER"}')
        await jun.send("안녕")

        assert [message.text for message in await jun.messages(2)] == ["hello", "안녕"]
        for subscription in ("first", "second"):
            heard = [await mina.message(subscription) for _ in range(3)]
            said = {(m.json["type"], m.json["sender"], m.json["message"]) for m in heard}
            assert said == {
                ("TALK", "mina", "hello"),
                ("ENTER", "mina", "mina entered the room."),
                ("TALK", "jun", "안녕"),
            }
            assert heard[0].json["userCount"] == 2


@pytest.mark.parametrize(
    ("destination", "body"),
    [
        ("/pub/chat/message", b"{}"),
        ("/pub/chat.message.yard", b'{"type":"TALK","message":""}'),
        ("/pub/chat.message.yard", b'{"type":"WAVE","message":"hi"}'),
        ("/pub/chat.message.yard", b"hi"),
        ("/pub/chat/messageList/1", b"{}"),
    ],
)
async def test_a_tutorials_send_that_means_nothing_is_ignored(
    harness: Harness, destination: str, body: bytes
) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD)

        await mina.say("SEND", {"destination": destination, "receipt": "alone"}, body)
        await mina.say("BEGIN", {"transaction": "t"})
        await mina.say("SEND", {"destination": destination, "transaction": "t"}, body)
        await mina.say("SEND", {"destination": SEND, "transaction": "t"}, b"hello")
        await mina.say("COMMIT", {"transaction": "t", "receipt": "together"})

        assert "message-id" not in (await mina.receipt("alone")).headers
        await mina.receipt("together")
        assert (await mina.message()).text == "hello"


@pytest.mark.parametrize("destination", ["/pub/chat.enter.yard", "/pub/chat.message.yard"])
async def test_a_tutorials_send_to_a_room_of_others_is_refused(
    harness: Harness, destination: str
) -> None:
    async with harness.connected("ara") as ara:
        await ara.say("SEND", {"destination": destination}, b'{"message":"hi"}')

        assert (await ara.frame("ERROR")).json["status"] == 403


async def test_tutorials_can_be_left_out(tmp_path: Path) -> None:
    async with (
        running(tmp_path, destination_aliases=False) as harness,
        harness.connected("mina") as mina,
    ):
        await mina.subscribe(ERRORS, "errors")

        await mina.say("SUBSCRIBE", {"id": "s", "destination": "/sub/chat/room/yard"})
        assert (await mina.refusal())["status"] == 404
        await mina.say("SEND", {"destination": "/pub/chat.message.yard"}, b"{}")
        assert (await mina.refusal())["status"] == 404


async def test_acks_are_taken_and_answered(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD, ack="client-individual")
        await mina.send("hi")
        ack = (await mina.message()).headers["ack"]

        await mina.say("ACK", {"id": ack, "receipt": "ack"})
        await mina.receipt("ack")
        await mina.say("NACK", {"id": ack, "receipt": "nack"})
        await mina.receipt("nack")


async def test_a_backlog_is_worked_off_in_order_while_reading_rests(tmp_path: Path) -> None:
    async with (
        running(tmp_path, backlog_frames=2, sends_burst=1000) as harness,
        harness.opened() as client,
    ):
        token = harness.issuer.token("mina")
        frames = [written("CONNECT", {"accept-version": "1.2", "passcode": token})]
        frames += [
            written("SEND", {"destination": SEND, "receipt": str(n)}, b"x") for n in range(50)
        ]

        await asyncio.gather(*(client.raw(frame) for frame in frames))

        for n in range(50):
            await client.receipt(str(n))


def test_the_clients_own_reading_is_right() -> None:
    frames = read_frames(b"\n" + written("A", {"x:": "y\n"}, b"b") + b"\n\n" + written("B", {}))

    assert [(frame.command, frame.headers, frame.body) for frame in frames] == [
        ("A", {"x:": "y\n"}, b"b"),
        ("B", {}, b""),
    ]


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_what_is_too_large_is_not_parsed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, *, in_transaction: bool
) -> None:
    def parsed(*_: object) -> None:
        pytest.fail("it was parsed")

    monkeypatch.setattr(command, "_data", parsed)
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")
        headers = {"destination": SEND, "content-type": "application/json"}
        if in_transaction:
            await mina.say("BEGIN", {"transaction": "t"})
            headers["transaction"] = "t"

        await mina.say("SEND", headers, b"[" * 20_000)
        if in_transaction:
            await mina.say("COMMIT", {"transaction": "t"})

        assert (await mina.refusal())["status"] == 413
