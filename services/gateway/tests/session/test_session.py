"""A session over a real socket: refusals, ACKs, the queue of frames, the end."""

import asyncio
from pathlib import Path

import pytest

from services.gateway.tests.harness import Harness, removal, running, until
from services.gateway.tests.stomp_client import written

YARD = "/topic/rooms.yard"
ERRORS = "/user/queue/errors"
SEND = "/app/rooms.yard.send"


async def test_a_refusal_goes_to_the_errors_subscription(
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


async def test_a_refusal_without_an_errors_subscription_disconnects(harness: Harness) -> None:
    async with harness.connected("ara") as ara:
        await ara.say("SEND", {"destination": SEND, "receipt": "7"}, b"hi")

        error = await ara.frame("ERROR")

        assert error.headers["receipt-id"] == "7"
        assert error.json["status"] == 403
        assert await ara.closed() == 4403


@pytest.mark.parametrize("dropped", ["first", "second"])
async def test_refusals_go_to_the_errors_subscription_that_is_left(
    harness: Harness, dropped: str
) -> None:
    async with harness.connected("ara") as ara:
        for subscription in ("first", "second"):
            await ara.subscribe(ERRORS, subscription)

        await ara.say("UNSUBSCRIBE", {"id": dropped})
        await ara.say("SEND", {"destination": SEND}, b"hi")

        left = "second" if dropped == "first" else "first"
        assert (await ara.refusal(left))["status"] == 403


async def test_a_refusal_after_the_last_errors_unsubscribe_disconnects(harness: Harness) -> None:
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
async def test_each_refusal_has_its_problem_type(
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


async def test_nothing_is_delivered_after_unsubscribe(harness: Harness) -> None:
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


async def test_disconnect_is_answered_after_all_earlier_sends(harness: Harness) -> None:
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


async def test_a_removed_member_receives_the_removal_last(harness: Harness) -> None:
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


async def test_acks_get_their_receipts(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(YARD, ack="client-individual")
        await mina.send("hi")
        ack = (await mina.message()).headers["ack"]

        await mina.say("ACK", {"id": ack, "receipt": "ack"})
        await mina.receipt("ack")
        await mina.say("NACK", {"id": ack, "receipt": "nack"})
        await mina.receipt("nack")


async def test_a_full_frame_queue_is_handled_in_order_while_reading_is_paused(
    tmp_path: Path,
) -> None:
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
