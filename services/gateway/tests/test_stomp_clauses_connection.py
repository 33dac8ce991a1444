"""The STOMP specifications clause by clause, over a real socket; docs/stomp.md is the index.

Each test's docstring begins with the versions and the section of the specification it is for.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from madang_common.events.envelope import Event
from madang_common.log.position import MAX_LINES, from_id, offset_of
from services.gateway.tests.harness import Harness, message, removal, running, until
from services.gateway.tests.raw_socket import raw_socket
from services.gateway.tests.stomp_client import Client, written
from tests.support.stomp_frames import Frame

YARD = "/topic/rooms.yard"
SEND = "/app/rooms.yard.send"
ERRORS = "/user/queue/errors"
VERSIONS = ("1.0", "1.1", "1.2")
every_version = pytest.mark.parametrize("version", VERSIONS)


@asynccontextmanager
async def speaking(
    harness: Harness, version: str, user: str = "mina", heartbeat: str = "0,0"
) -> AsyncGenerator[Client]:
    """Yield a client connected with `version`."""
    async with harness.opened(subprotocols=None) as client:
        passcode = harness.issuer.token(user)
        headers = {"accept-version": version, "heart-beat": heartbeat, "passcode": passcode}
        await client.say("CONNECT", headers)
        assert (await client.frame("CONNECTED")).headers["version"] == version
        yield client


async def ended(client: Client) -> Frame:
    """Return the ERROR that ends the connection; nothing may follow it."""
    assert await client.closed() >= 4400
    (error,) = client.left("ERROR")
    return error


def answer(version: str, found: Frame, subscription: str = "s") -> dict[str, str]:
    """Return the headers with which a client of `version` answers a MESSAGE."""
    if version == "1.2":
        return {"id": found.headers["ack"]}
    return {"message-id": found.headers["message-id"], "subscription": subscription}


# Connecting


@every_version
async def test_a_connect_that_is_turned_away_is_told_why(harness: Harness, version: str) -> None:
    """1.1, 1.2 Connecting."""
    async with harness.opened(subprotocols=None) as client:
        await client.say("CONNECT", {"accept-version": version, "passcode": "nonsense"})

        error = await ended(client)

    assert "token" in error.headers["message"]
    assert error.headers["content-type"] == "application/problem+json"
    assert error.json["status"] == 401


async def test_no_common_version_is_an_error_and_the_end(harness: Harness) -> None:
    """1.1, 1.2 Protocol Negotiation."""
    async with harness.opened(subprotocols=None) as client:
        await client.say("CONNECT", {"accept-version": "3.0", "host": "x"})

        error = await ended(client)

    assert error.headers["version"] == "1.0,1.1,1.2"


async def test_clients_may_come_and_go_quickly(harness: Harness) -> None:
    """1.1, 1.2 Connection Lingering."""

    async def visit() -> None:
        async with speaking(harness, "1.2") as client:
            await client.say("DISCONNECT", {"receipt": "bye"})
            assert await client.closed() == 1000
            assert client.left("RECEIPT")

    await asyncio.gather(*(visit() for _ in range(30)))
    await until(lambda: harness.metric("connections") == 0)


async def test_who_does_not_answer_the_close_is_let_go(tmp_path: Path) -> None:
    """1.1, 1.2 Connection Lingering."""
    async with (
        running(tmp_path, close_seconds=0.2) as harness,
        harness.opened(subprotocols=None) as client,
    ):
        client.socket.transport.pause_reading()
        await client.raw(b"HELLO\n\n\0")

        await until(lambda: harness.metric("connections") == 0)


# Heart-beating


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_a_silent_server_sends_line_ends_in_time(harness: Harness, version: str) -> None:
    """1.1, 1.2 Heart-beating."""
    async with speaking(harness, version, heartbeat="0,200") as client:
        loop = asyncio.get_running_loop()
        began = loop.time()

        while client.heartbeats < 5:
            await asyncio.wait_for(client._read(), 10)

    assert loop.time() - began > 4 * 0.1


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_whoever_promised_heartbeats_and_sends_nothing_is_dead(
    harness: Harness, version: str
) -> None:
    """1.1, 1.2 Heart-beating."""
    async with raw_socket(harness.port) as client:
        await client.stomp(harness.issuer.token("mina"), version=version, heartbeat="200,0")
        loop = asyncio.get_running_loop()
        began = loop.time()

        assert await client.closed() == 4510

    # There is an error margin: twice the time that was agreed on.
    assert loop.time() - began > 0.3


async def test_any_data_is_a_sign_of_life(tmp_path: Path) -> None:
    """1.1, 1.2 Heart-beating."""
    async with (
        running(tmp_path, heartbeat_grace=8) as harness,
        speaking(harness, "1.2", heartbeat="200,0") as client,
        raw_socket(harness.port) as silent,
    ):
        await silent.stomp(harness.issuer.token("mina"), heartbeat="200,0")
        gone = asyncio.create_task(silent.closed())
        while not gone.done():
            await client.say("BEGIN", {"transaction": "t"})
            await client.say("ABORT", {"transaction": "t"})
            await asyncio.sleep(0.05)

        assert await gone == 4510
        assert await client.send("still here")


# SEND


@every_version
async def test_what_the_sender_adds_is_passed_through(harness: Harness, version: str) -> None:
    """1.1, 1.2 SEND, MESSAGE."""
    async with speaking(harness, version) as client:
        await client.subscribe(YARD)

        await client.say("SEND", {"destination": SEND, "colour": "blue"}, b"hi")

        found = await client.message()
        assert found.headers["colour"] == "blue"
        assert found.headers["destination"] == YARD
        assert found.headers["message-id"] == found.json["id"]
        assert found.headers["content-type"] == "application/json"
        assert found.headers["content-length"] == str(len(found.body))


@every_version
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"destination": "/nowhere"}, b"hi"),
        ({"destination": SEND}, b""),
        ({"destination": SEND, "content-type": "text/plain"}, b"\xff"),
        ({"destination": "/app/rooms.well.send"}, b"hi"),
    ],
)
async def test_a_send_that_cannot_be_done_is_an_error_and_the_end(
    harness: Harness, version: str, headers: dict[str, str], body: bytes
) -> None:
    """1.1, 1.2 SEND; a client may subscribe to refusals instead."""
    async with speaking(harness, version) as client:
        await client.socket.send(written("SEND", headers | {"receipt": "r"}, body))
        error = await ended(client)
    assert error.headers["receipt-id"] == "r"
    assert error.headers["message"]
    assert error.json["title"]

    async with speaking(harness, version) as client:
        await client.subscribe(ERRORS, "errors")
        await client.socket.send(written("SEND", headers | {"receipt": "r"}, body))
        assert (await client.refusal())["receipt-id"] == "r"
        assert await client.send("still here")


@every_version
async def test_a_body_is_text_in_utf_8(harness: Harness, version: str) -> None:
    """1.1, 1.2 Header content-type."""
    async with speaking(harness, version) as client:
        await client.subscribe(YARD)

        for content_type in ({"content-type": "text/plain;charset=utf-8"}, {}):
            await client.say("SEND", {"destination": SEND, **content_type}, "안녕 👋".encode())
            assert (await client.message()).text == "안녕 👋"


# SUBSCRIBE, UNSUBSCRIBE


@every_version
async def test_a_subscription_that_cannot_be_made_is_an_error_and_the_end(
    harness: Harness, version: str
) -> None:
    """1.1, 1.2 SUBSCRIBE; a client may subscribe to refusals instead."""
    async with speaking(harness, version) as client:
        await client.say("SUBSCRIBE", {"id": "s", "destination": "/nowhere", "receipt": "r"})
        assert (await ended(client)).headers["receipt-id"] == "r"


@every_version
async def test_nothing_comes_after_unsubscribe(harness: Harness, version: str) -> None:
    """1.0, 1.1, 1.2 UNSUBSCRIBE."""
    async with speaking(harness, version) as client:
        await client.subscribe(YARD)
        await client.send("before")
        await client.message()

        await client.say("UNSUBSCRIBE", {"id": "s", "receipt": "gone"})
        await client.receipt("gone")
        await client.send("after")

        assert client.left() == []


async def test_messages_name_the_subscription_even_where_it_has_no_id(harness: Harness) -> None:
    """1.0 SUBSCRIBE, MESSAGE."""
    async with speaking(harness, "1.0") as client:
        await client.say("SUBSCRIBE", {"destination": YARD, "receipt": "r"})
        await client.receipt("r")
        await client.send("hi")
        assert (await client.message(YARD)).text == "hi"

        await client.say("UNSUBSCRIBE", {"destination": YARD, "receipt": "gone"})
        await client.receipt("gone")


# ACK, NACK


@every_version
async def test_in_auto_mode_nothing_is_to_be_acknowledged(harness: Harness, version: str) -> None:
    """1.0, 1.1, 1.2 SUBSCRIBE ack Header."""
    async with speaking(harness, version) as client:
        await client.subscribe(YARD)
        for number in range(5):
            await client.send(str(number))

        assert all("ack" not in found.headers for found in await client.messages(5))


async def test_a_message_to_be_acknowledged_says_so_in_1_2(harness: Harness) -> None:
    """1.2 MESSAGE."""
    async with speaking(harness, "1.2") as client:
        for topic in (YARD, f"{YARD}.live", ERRORS, "/sub/chat/room/yard"):
            await client.subscribe(topic, topic, ack="client")

        await client.send("hi")
        await client.send("", destination="/app/rooms.yard.typing")
        await client.say("SEND", {"destination": "/nowhere"})

        acks = [
            (await client.message(topic)).headers["ack"]
            for topic in (YARD, f"{YARD}.live", ERRORS, "/sub/chat/room/yard")
        ]
        assert len(set(acks)) == 4
        for ack in acks:
            await client.say("ACK", {"id": ack, "receipt": ack})
            await client.receipt(ack)


@every_version
@pytest.mark.parametrize("mode", ["client", "client-individual"])
async def test_a_window_fills_and_acks_empty_it(harness: Harness, version: str, mode: str) -> None:
    """1.0, 1.1, 1.2 SUBSCRIBE ack Header, ACK; `prefetch-count` is our own."""
    async with speaking(harness, version) as client, harness.connected("jun") as jun:
        await client.subscribe(YARD, ack=mode, **{"prefetch-count": "3"})
        for number in range(10):
            await jun.send(str(number))

        first = await client.messages(3)
        await client.say("BEGIN", {"transaction": "t", "receipt": "barrier"})
        await client.receipt("barrier")
        assert client.left() == []

        # The newest answers the ones before in one mode, and itself alone in the other.
        await client.say("ACK", answer(version, first[2]) | {"receipt": "ack"})
        await client.receipt("ack")
        following = await client.messages(3 if mode == "client" else 1)
        await client.say("ABORT", {"transaction": "t", "receipt": "again"})
        await client.receipt("again")

        assert client.left() == []
        texts = [found.text for found in first + following]
        assert texts == [str(number) for number in range(len(texts))]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("mode", ["client", "client-individual"])
async def test_a_nack_makes_room_as_well_and_nothing_comes_twice(
    harness: Harness, version: str, mode: str
) -> None:
    """1.1, 1.2 NACK: a rejected message is not redelivered; it stays in the room's history."""
    async with speaking(harness, version) as client, harness.connected("jun") as jun:
        await client.subscribe(YARD, ack=mode, **{"prefetch-count": "1"})
        said = [await jun.send(str(number)) for number in range(3)]

        received = []
        for _ in said:
            found = await client.message()
            received.append(found.headers["message-id"])
            await client.say("NACK", answer(version, found))

        assert received == said


@every_version
async def test_what_was_never_sent_cannot_be_acknowledged(harness: Harness, version: str) -> None:
    """1.0, 1.1, 1.2 ACK, NACK."""
    async with speaking(harness, version) as client:
        await client.subscribe(YARD, ack="client")
        bad = {"id": "vvvvvvvvvvvv/s", "message-id": "vvvvvvvvvvvv", "subscription": "s"}

        await client.say("ACK", bad | {"receipt": "r"})

        error = await ended(client)
        assert error.headers["receipt-id"] == "r"
        assert error.json["status"] == 404


@every_version
async def test_an_answer_may_come_twice_or_late(harness: Harness, version: str) -> None:
    """1.0, 1.1, 1.2 ACK, NACK."""
    async with speaking(harness, version) as client:
        await client.subscribe(YARD, ack="client-individual")
        await client.send("hi")
        found = await client.message()

        for number in range(2):
            receipt = str(number)
            await client.say("ACK", answer(version, found) | {"receipt": receipt})
            await client.receipt(receipt)


async def test_an_ack_after_the_server_ended_the_subscription_is_no_mistake(
    harness: Harness,
) -> None:
    """1.1, 1.2 ACK."""
    async with speaking(harness, "1.2") as client:
        await client.subscribe(YARD, ack="client")
        await harness.append(removal("mina"))
        found = await client.message()
        await until(lambda: harness.metric("subscriptions") == 0)

        await client.say("ACK", answer("1.2", found) | {"receipt": "ack"})

        await client.receipt("ack")


async def test_two_subscriptions_to_a_room_are_acknowledged_apart(harness: Harness) -> None:
    """1.2 ACK; some clients send the `message-id` where the `ack` header belongs."""
    async with speaking(harness, "1.2") as client, harness.connected("jun") as jun:
        for name in ("a", "b"):
            await client.subscribe(YARD, name, ack="client", **{"prefetch-count": "1"})
        await jun.send("1")
        await jun.send("2")
        first = {name: await client.message(name) for name in ("a", "b")}

        await client.say("ACK", answer("1.2", first["b"]))
        assert (await client.message("b")).text == "2"
        await client.say("ACK", {"id": first["a"].headers["message-id"]})
        assert (await client.message("a")).text == "2"


async def test_whoever_never_acknowledges_is_a_slow_reader_and_resumes(tmp_path: Path) -> None:
    """1.1, 1.2 SUBSCRIBE ack Header: unacknowledged messages may be redelivered."""
    async with (
        running(tmp_path, slow_consumer_bytes=20_000, sends_burst=1000) as harness,
        speaking(harness, "1.2") as client,
        harness.connected("jun") as jun,
    ):
        window = {"ack": "client", "prefetch-count": "2"}
        await client.subscribe(YARD, **window)
        said = [await jun.send("x" * 1000) for _ in range(40)]

        assert await client.closed() == 4508
        assert harness.metric("slow_closes_total", cause="unacknowledged") == 1
        received = client.left()
        assert [found.headers["message-id"] for found in received] == said[:2]
        async with speaking(harness, "1.2") as again:
            await again.subscribe(YARD, since=said[0], **window)
            for one in said[1:]:
                found = await again.message()
                assert found.headers["message-id"] == one
                await again.say("ACK", answer("1.2", found))


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_an_ack_moves_the_read_marker_if_that_was_asked_for(
    harness: Harness, version: str
) -> None:
    """1.1, 1.2 SUBSCRIBE: headers of our own; `read-marker`."""
    async with speaking(harness, version) as client, harness.connected("jun") as jun:
        await jun.subscribe(f"{YARD}.live", "live")
        await client.subscribe(YARD, ack="client", **{"read-marker": "true"})
        said = [await jun.send(str(number)) for number in range(3)]
        found = await client.messages(3)

        await client.say("NACK", answer(version, found[0]))
        for one in found[1:]:
            await client.say("ACK", answer(version, one))

        markers: list[str] = []
        while not markers or markers[-1] != said[2]:
            notice = (await jun.message("live")).json
            if notice["kind"] == "room.read":
                assert notice["sender"] == "mina"
                markers.append(notice["data"]["upto"])
        assert markers == [said[1], said[2]]


async def test_a_read_marker_is_told_though_its_client_goes(harness: Harness) -> None:
    """1.1, 1.2 SUBSCRIBE: headers of our own; `read-marker`."""
    async with harness.connected("jun") as jun:
        await jun.subscribe(f"{YARD}.live", "live")
        async with speaking(harness, "1.2") as client:
            await client.subscribe(YARD, ack="client", **{"read-marker": "true"})
            said = [await jun.send(str(number)) for number in range(3)]
            for found in await client.messages(3):
                await client.say("ACK", answer("1.2", found))

        while True:
            notice = (await jun.message("live")).json
            if notice["kind"] == "room.read" and notice["data"]["upto"] == said[2]:
                break


@pytest.mark.parametrize(
    ("topic", "headers"),
    [
        (YARD, {"read-marker": "true"}),
        (f"{YARD}.live", {"read-marker": "true", "ack": "client"}),
        ("/user/queue/events", {"read-marker": "true", "ack": "client"}),
        (YARD, {"prefetch-count": "many", "ack": "client"}),
        (YARD, {"prefetch-count": "1001", "ack": "client"}),
    ],
)
async def test_headers_of_our_own_that_make_no_sense_are_refused(
    harness: Harness, topic: str, headers: dict[str, str]
) -> None:
    """1.1, 1.2 SUBSCRIBE: headers of our own."""
    async with speaking(harness, "1.2") as client:
        await client.subscribe(ERRORS, "errors")

        await client.say("SUBSCRIBE", {"id": "s", "destination": topic, **headers})

        refusal = await client.refusal()
        assert (refusal["status"], refusal["subscription"]) == (400, "s")


# Transactions


def batches(ids: list[str]) -> set[int]:
    """Return the batches of the log that contain events."""
    return {offset_of(from_id(one)) for one in ids}


@every_version
async def test_a_transactions_sends_to_a_room_are_one_batch(harness: Harness, version: str) -> None:
    """1.0, 1.1, 1.2 BEGIN, COMMIT."""
    async with speaking(harness, version) as client, harness.connected("jun") as jun:
        await jun.subscribe(YARD)
        busy = [asyncio.create_task(harness.post("jun", text=str(n))) for n in range(20)]
        await client.say("BEGIN", {"transaction": "t"})
        for number in range(10):
            headers = {"destination": SEND, "transaction": "t", "key": f"k{number}"}
            await client.say("SEND", headers, b"together")
        await client.say("COMMIT", {"transaction": "t", "receipt": "done"})
        await client.receipt("done")
        await asyncio.gather(*busy)

        received = await jun.messages(30)
        ids = [found.headers["message-id"] for found in received if found.text == "together"]

    assert len(batches(ids)) == 1
    lines = [from_id(one) % MAX_LINES for one in ids]
    assert lines == list(range(lines[0], lines[0] + 10))


@every_version
@pytest.mark.parametrize(
    ("bad", "status"),
    [
        ({"destination": "/nowhere"}, 404),
        ({"destination": "/app/rooms.well.send"}, 404),
        ({"destination": SEND, "key": "taken"}, 409),
        ({"destination": "/app/token"}, 400),
    ],
)
async def test_a_transaction_is_done_whole_or_not_at_all(
    harness: Harness, version: str, bad: dict[str, str], status: int
) -> None:
    """1.0, 1.1, 1.2 BEGIN, COMMIT."""
    async with speaking(harness, version) as client:
        await client.subscribe(ERRORS, "errors")
        await client.subscribe(YARD)
        await client.send("first", key="taken")
        await client.message()
        await client.say("BEGIN", {"transaction": "t"})
        for headers in ({"destination": SEND}, bad, {"destination": SEND}):
            await client.say("SEND", headers | {"transaction": "t"}, b"never")

        await client.say("COMMIT", {"transaction": "t", "receipt": "r"})

        refusal = await client.refusal()
        assert (refusal["status"], refusal["receipt-id"]) == (status, "r")
        assert refusal["transaction"] == "t"
        await client.send("last")
        assert (await client.message()).text == "last"


async def test_a_commit_with_an_ack_of_nothing_sends_nothing(harness: Harness) -> None:
    """1.0, 1.1, 1.2 ACK, COMMIT."""
    async with speaking(harness, "1.2") as client:
        await client.subscribe(ERRORS, "errors")
        await client.subscribe(YARD)
        await client.say("BEGIN", {"transaction": "t"})
        await client.say("SEND", {"destination": SEND, "transaction": "t"}, b"never")
        await client.say("ACK", {"id": "vvvvvvvvvvvv/none", "transaction": "t"})

        await client.say("COMMIT", {"transaction": "t"})

        assert (await client.refusal())["transaction"] == "t"
        await client.send("last")
        assert (await client.message()).text == "last"


@every_version
async def test_an_ack_takes_effect_with_its_transaction(harness: Harness, version: str) -> None:
    """1.0, 1.1, 1.2 ACK, BEGIN, ABORT, COMMIT."""
    async with speaking(harness, version) as client, harness.connected("jun") as jun:
        await client.subscribe(YARD, ack="client", **{"prefetch-count": "1"})
        await jun.send("1")
        await jun.send("2")
        found = await client.message()
        for end in ("ABORT", "COMMIT"):
            await client.say("BEGIN", {"transaction": "t"})
            ack = answer(version, found) | {"transaction": "t", "receipt": f"held-{end}"}
            await client.say("ACK", ack)
            await client.receipt(f"held-{end}")
            assert client.left() == []
            await client.say(end, {"transaction": "t", "receipt": end})
            await client.receipt(end)
            if end == "ABORT":
                await jun.send("3")
                assert client.left() == []

        assert (await client.message()).text == "2"


@every_version
@pytest.mark.parametrize("graceful", [True, False])
async def test_an_open_transaction_is_aborted_when_its_client_goes(
    harness: Harness, version: str, *, graceful: bool
) -> None:
    """1.1, 1.2 BEGIN."""
    async with harness.connected("jun") as jun:
        await jun.subscribe(YARD)
        async with speaking(harness, version) as client:
            await client.say("BEGIN", {"transaction": "t"})
            headers = {"destination": SEND, "transaction": "t", "receipt": "held"}
            await client.say("SEND", headers, b"never")
            await client.receipt("held")
            if graceful:
                await client.say("DISCONNECT", {"receipt": "bye"})
                assert await client.closed() == 1000
            else:
                client.socket.transport.abort()
        await until(lambda: harness.metric("connections") == 1)

        await jun.send("last")

        assert (await jun.message()).text == "last"


async def test_a_transaction_over_two_rooms_is_one_batch_each(harness: Harness) -> None:
    """1.0, 1.1, 1.2 BEGIN, COMMIT: rooms are ordered apart."""
    harness.rooms.add("mina", room="well")
    async with speaking(harness, "1.2") as client:
        for room in ("yard", "well"):
            await client.subscribe(f"/topic/rooms.{room}", room)
        await client.say("BEGIN", {"transaction": "t"})
        for number in range(4):
            room = ("yard", "well")[number % 2]
            headers = {"destination": f"/app/rooms.{room}.send", "transaction": "t"}
            await client.say("SEND", headers, b"%d" % number)
        await client.say("COMMIT", {"transaction": "t", "receipt": "r"})
        await client.receipt("r")

        for room, texts in (("yard", ["0", "2"]), ("well", ["1", "3"])):
            received = await client.messages(2, room)
            assert [found.text for found in received] == texts
            assert len(batches([found.headers["message-id"] for found in received])) == 1


async def test_a_commit_with_keys_that_are_known_sends_them_once(tmp_path: Path) -> None:
    """1.0, 1.1, 1.2 COMMIT, sent again by a client that lost its RECEIPT."""
    async with running(tmp_path, key_count=1) as harness, speaking(harness, "1.2") as client:
        start = (await client.subscribe(YARD))["position"]

        async def commit(receipt: str) -> None:
            await client.say("BEGIN", {"transaction": "t"})
            for key in ("a", "b", "b"):
                headers = {"destination": SEND, "transaction": "t", "key": key, "retry": "true"}
                await client.say("SEND", headers, key.encode())
            await client.say("COMMIT", {"transaction": "t", "receipt": receipt})
            await client.receipt(receipt)

        await commit("1")
        await commit("2")
        # Two generations later only history has the keys.
        for number in range(4):
            await client.send(f"later {number}")
        await commit("3")

        await client.subscribe(YARD, "again", since=start)
        texts = [found.text for found in await client.messages(6, "again")]
        assert texts == ["a", "b", "later 0", "later 1", "later 2", "later 3"]
        # The first subscription received the same, once.
        assert [found.text for found in client.left()] == texts


# RECEIPT, DISCONNECT, ERROR


@every_version
async def test_each_frame_that_asks_gets_its_receipt(harness: Harness, version: str) -> None:
    """1.0, 1.1, 1.2 Header receipt, RECEIPT."""
    async with speaking(harness, version) as client:
        await client.subscribe(YARD, ack="client")
        await client.send("hi")
        found = answer(version, await client.message())
        frames = [
            ("SUBSCRIBE", {"id": "b", "destination": f"{YARD}.live"}, b""),
            ("SEND", {"destination": SEND}, b"x"),
            ("SEND", {"destination": "/app/rooms.yard.typing"}, b""),
            ("ACK", found, b""),
            *([("NACK", found, b"")] if version != "1.0" else []),
            ("BEGIN", {"transaction": "t"}, b""),
            ("SEND", {"destination": SEND, "transaction": "t"}, b"y"),
            ("COMMIT", {"transaction": "t"}, b""),
            ("BEGIN", {"transaction": "u"}, b""),
            ("ABORT", {"transaction": "u"}, b""),
            ("UNSUBSCRIBE", {"id": "b"}, b""),
            ("DISCONNECT", {}, b""),
        ]

        for number, (command, headers, body) in enumerate(frames):
            await client.say(command, headers | {"receipt": f"r {number}"}, body)

        for number in range(len(frames)):
            receipt = await client.receipt(f"r {number}")
            assert receipt.body == b""
        assert await client.closed() == 1000


@every_version
async def test_a_connect_gets_no_receipt(harness: Harness, version: str) -> None:
    """1.0, 1.1, 1.2 Header receipt."""
    async with harness.opened(subprotocols=None) as client:
        passcode = harness.issuer.token("mina")
        await client.say(
            "CONNECT", {"accept-version": version, "passcode": passcode, "receipt": "r"}
        )
        await client.frame("CONNECTED")
        await client.send("hi")

        assert client.left("RECEIPT") == []


async def test_what_was_received_before_the_client_went_is_done_all_the_same(
    harness: Harness,
) -> None:
    """1.2 RECEIPT: frames received before a disconnect SHOULD still be processed."""
    async with harness.connected("jun") as jun:
        await jun.subscribe(YARD)
        async with speaking(harness, "1.2") as client:
            frames = [written("SEND", {"destination": SEND}, b"%d" % n) for n in range(20)]
            await client.raw(b"".join(frames) + written("DISCONNECT", {}))

        assert [found.text for found in await jun.messages(20)] == [str(n) for n in range(20)]


async def test_a_stranger_who_is_gone_has_said_nothing(harness: Harness) -> None:
    """1.2 RECEIPT: frames before an accepted CONNECT are dropped."""
    async with harness.connected("jun") as jun:
        await jun.subscribe(YARD)
        async with harness.opened(subprotocols=None) as client:
            hello = {"accept-version": "1.2", "passcode": "nonsense"}
            frames = written("CONNECT", hello) + written("SEND", {"destination": SEND}, b"never")
            await client.raw(frames)
            client.socket.transport.abort()
        await until(lambda: harness.metric("connections") == 1)

        await jun.send("last")

        assert (await jun.message()).text == "last"


@every_version
async def test_the_connection_ends_just_after_an_error(harness: Harness, version: str) -> None:
    """1.0, 1.1, 1.2 ERROR, Size Limits."""
    async with speaking(harness, version) as client:
        await client.raw(
            b"SEND\ndestination:/a\nreceipt:r\nx:" + b"y" * 9000 + b"\n\n\0"
            b"BEGIN\ntransaction:t\nreceipt:late\n\n\0"
        )
        error = await ended(client)

    assert error.headers["message"] == "header too long"
    assert b"8192" in error.body
    assert client.left("RECEIPT") == []


# Limits of our own


@every_version
async def test_frames_that_come_too_fast_wait_and_none_is_lost(
    tmp_path: Path, version: str
) -> None:
    """1.1, 1.2 Conformance: limits on inputs; frames of any kind per second."""
    async with (
        running(tmp_path, frames_per_second=100, frames_burst=10) as harness,
        speaking(harness, version) as client,
        harness.connected("jun") as jun,
    ):
        await client.subscribe(ERRORS, "errors")
        loop = asyncio.get_running_loop()
        began = loop.time()
        frames = []
        for number in range(20):
            receipt = {"receipt": f"r-{number}"}
            frames += [
                written("SUBSCRIBE", {"id": "s", "destination": YARD}),
                written("UNSUBSCRIBE", {"id": "s"}),
                written("SEND", {"destination": "/nowhere", **receipt}),
            ]

        await client.raw(b"".join(frames))
        assert await jun.send("others are not held up")

        for number in range(20):
            assert (await client.refusal())["receipt-id"] == f"r-{number}"
        # 60 frames, less those that may come at once.
        assert loop.time() - began > 0.35
        assert harness.metric("reading_rests_total") > 0
        assert await client.send("still here")


async def test_a_flood_is_not_kept_in_memory(tmp_path: Path) -> None:
    """1.1, 1.2 Conformance: limits on inputs; frames of any kind per second."""
    async with (
        running(tmp_path, frames_per_second=20, frames_burst=10) as harness,
        speaking(harness, "1.2") as flood,
    ):
        frame = written("SEND", {"destination": "/app/rooms.yard.typing"}, b"{}" + b" " * 4000)
        sending = asyncio.create_task(_send_forever(flood, frame))
        await until(lambda: harness.metric("reading_rests_total") > 3)

        # The buffers between are full; a client that sends too fast waits.
        assert not sending.done()
        sending.cancel()
        flood.socket.transport.abort()


async def _send_forever(client: Client, frame: bytes) -> None:
    while True:
        await client.raw(frame)
        await asyncio.sleep(0)


async def test_whoever_misses_much_gets_it_as_it_acknowledges(tmp_path: Path) -> None:
    """1.0, 1.1, 1.2 SUBSCRIBE ack Header, with `since` and a window."""
    async with running(tmp_path, slow_consumer_bytes=20_000) as harness:
        ids = [one for _ in range(10) for one in await harness.append(*_many(10))]
        async with speaking(harness, "1.2") as client:
            window = {"ack": "client", "prefetch-count": "7"}
            await client.subscribe(YARD, since="start", **window)
            received = []
            for _ in ids:
                found = await client.message()
                received.append(found.headers["message-id"])
                await client.say("ACK", answer("1.2", found))

    assert received == ids


def _many(count: int) -> list[Event]:
    return [message("x" * 500) for _ in range(count)]
