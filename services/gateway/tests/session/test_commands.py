"""SEND and COMMIT over a real socket."""

from pathlib import Path

import pytest

from madang_common.problems import NotFound
from madang_gateway.publish import command
from services.gateway.tests.harness import Harness, running
from services.gateway.tests.stomp_client import written

YARD = "/topic/rooms.yard"
ERRORS = "/user/queue/errors"
SEND = "/app/rooms.yard.send"


async def test_the_receipt_of_a_send_carries_the_events_id(harness: Harness) -> None:
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


async def test_custom_headers_are_forwarded_and_tokens_are_not(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await jun.subscribe(YARD)
        secret = harness.issuer.token("mina")

        await mina.send(
            "hi",
            **{"x-color": "red: \n dark", "Authorization": secret, "token": secret, "login": "m"},
        )
        received = await jun.message()

        assert received.headers["x-color"] == "red: \n dark"
        assert secret not in str(received)
        assert not {"Authorization", "token", "login", "receipt"} & received.headers.keys()


async def test_a_repeated_key_gets_the_same_id_and_is_delivered_once(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await jun.subscribe(YARD)

        ids = [await mina.send("hi", key="k") for _ in range(3)]
        last = await mina.send("bye")

        assert len(set(ids)) == 1
        assert [m.headers["message-id"] for m in await jun.messages(2)] == [ids[0], last]


async def test_a_retry_gets_the_first_id_from_history(tmp_path: Path) -> None:
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
        assert harness.history.requests == 1


async def test_concurrent_sends_are_answered_in_order(tmp_path: Path) -> None:
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
        received = await jun.messages(500)
        assert [message.text for message in received] == texts
        assert [message.headers["message-id"] for message in received] == ids == sorted(ids)


async def test_sends_over_the_rate_limit_are_refused(tmp_path: Path) -> None:
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


async def test_a_reused_key_with_other_content_is_a_conflict(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")
        await mina.send("hi", key="k")

        await mina.say("SEND", {"destination": SEND, "key": "k", "receipt": "7"}, b"bye")

        assert (await mina.refusal())["type"] == "urn:madang:problem:key-conflict"


async def test_a_send_to_an_archived_room_is_refused(harness: Harness) -> None:
    harness.rooms.archived.add("yard")
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")
        await mina.subscribe(YARD)

        await mina.say("SEND", {"destination": SEND}, b"hi")

        assert (await mina.refusal())["status"] == 403


async def test_without_the_rooms_service_only_cached_members_can_send(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        await mina.send("hi")
        await jun.subscribe(ERRORS, "errors")
        harness.rooms.away = True

        assert await mina.send("hi")
        await jun.say("SEND", {"destination": SEND}, b"hi")

        assert (await jun.refusal())["status"] == 503


async def test_typing_is_delivered_to_live_subscribers(harness: Harness) -> None:
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


async def test_only_members_send_and_receive_live_events(harness: Harness) -> None:
    async with harness.connected("ara") as ara:
        await ara.subscribe(ERRORS, "errors")

        await ara.say("SUBSCRIBE", {"id": "s", "destination": "/topic/rooms.yard.live"})
        assert (await ara.refusal())["status"] == 403
        await ara.say("SEND", {"destination": "/app/rooms.yard.typing"})
        assert (await ara.refusal())["status"] == 403


async def test_a_transaction_is_published_at_its_commit(harness: Harness) -> None:
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


async def test_an_aborted_transaction_publishes_nothing(harness: Harness) -> None:
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
async def test_a_refusal_in_a_transaction_is_reported_at_its_commit(
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


async def test_tutorial_clients_and_ours_share_a_room(harness: Harness) -> None:
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
            received = [await mina.message(subscription) for _ in range(3)]
            said = {(m.json["type"], m.json["sender"], m.json["message"]) for m in received}
            assert said == {
                ("TALK", "mina", "hello"),
                ("ENTER", "mina", "mina entered the room."),
                ("TALK", "jun", "안녕"),
            }
            assert received[0].json["userCount"] == 2


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
async def test_an_empty_tutorial_send_is_ignored(
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
async def test_a_tutorial_send_to_a_foreign_room_is_refused(
    harness: Harness, destination: str
) -> None:
    async with harness.connected("ara") as ara:
        await ara.say("SEND", {"destination": destination}, b'{"message":"hi"}')

        assert (await ara.frame("ERROR")).json["status"] == 403


async def test_tutorial_destinations_can_be_disabled(tmp_path: Path) -> None:
    async with (
        running(tmp_path, destination_aliases=False) as harness,
        harness.connected("mina") as mina,
    ):
        await mina.subscribe(ERRORS, "errors")

        await mina.say("SUBSCRIBE", {"id": "s", "destination": "/sub/chat/room/yard"})
        assert (await mina.refusal())["status"] == 404
        await mina.say("SEND", {"destination": "/pub/chat.message.yard"}, b"{}")
        assert (await mina.refusal())["status"] == 404


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_an_oversized_send_is_refused_before_it_is_parsed(
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
