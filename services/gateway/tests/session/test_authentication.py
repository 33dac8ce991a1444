"""CONNECT, token renewal, expired tokens and revoked sessions, over a real socket."""

import asyncio
import time
from pathlib import Path

import pytest

from madang_common.events.envelope import Event
from madang_gateway.node import node
from services.gateway.tests.harness import Harness, running
from services.gateway.tests.stomp_client import Client, written

YARD = "/topic/rooms.yard"
ERRORS = "/user/queue/errors"
SEND = "/app/rooms.yard.send"


async def connect_with(client: Client, **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    await client.say("CONNECT", {"accept-version": "1.2", "host": "x", **named})


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
async def test_connect_accepts_the_token_in_any_common_header(
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
async def test_connect_without_a_valid_token_is_refused(
    harness: Harness, token: str | None
) -> None:
    async with harness.opened() as client:
        await connect_with(client, **({} if token is None else {"Authorization": token}))

        error = await client.frame("ERROR")

        assert error.json["type"] == "urn:madang:problem:unauthenticated"
        assert await client.closed() == 4401


async def test_connect_with_an_expired_token_is_refused(harness: Harness) -> None:
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


async def test_a_frame_before_connect_is_a_protocol_error(harness: Harness) -> None:
    async with harness.opened() as client:
        await client.say("SEND", {"destination": SEND}, b"hi")

        assert (await client.frame("ERROR")).headers["message"] == "not connected"
        assert await client.closed() == 4400


async def test_a_client_without_connect_is_disconnected_in_time(tmp_path: Path) -> None:
    async with running(tmp_path, connect_seconds=0.2) as harness, harness.opened() as client:
        assert await client.closed() == 4511


async def test_the_connections_of_a_user_are_limited(tmp_path: Path) -> None:
    async with (
        running(tmp_path, connections_per_user=1) as harness,
        harness.connected("mina"),
        harness.opened() as second,
    ):
        await connect_with(second, token=harness.issuer.token("mina"))
        assert await second.closed() == 4529

        async with harness.connected("jun"):
            pass


async def test_frames_behind_connect_wait_for_its_answer(harness: Harness) -> None:
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
async def test_all_offered_subprotocols_can_be_negotiated(
    harness: Harness, accepted: dict[str, str], agreed: str
) -> None:
    async with harness.opened(subprotocols=["v10.stomp", "v11.stomp", "v12.stomp"]) as client:
        await client.say("CONNECT", accepted | {"passcode": harness.issuer.token("mina")})

        assert (await client.frame("CONNECTED")).headers["version"] == agreed


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_every_stomp_version_can_be_negotiated(harness: Harness, version: str) -> None:
    async with harness.opened(subprotocols=None) as client:
        await client.say(
            "STOMP", {"accept-version": version, "passcode": harness.issuer.token("mina")}
        )
        assert (await client.frame("CONNECTED")).headers["version"] == version
        await client.subscribe(YARD)

        said = await client.send("hi")

        assert (await client.message()).headers["message-id"] == said


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


async def test_a_token_in_every_send_can_be_required(tmp_path: Path) -> None:
    async with (
        running(tmp_path, send_token_required=True) as harness,
        harness.connected("mina") as mina,
    ):
        await mina.subscribe(ERRORS, "errors")

        await mina.say("SEND", {"destination": SEND}, b"hi")

        assert (await mina.refusal())["status"] == 401
        assert await mina.send("hi", Authorization=harness.issuer.token("mina"))


async def test_a_connection_is_closed_when_its_token_expires(harness: Harness) -> None:
    async with harness.connected("mina", seconds=2) as mina:
        assert await mina.closed() == 4501
        assert mina.left("ERROR")[0].json["status"] == 401


@pytest.mark.parametrize(
    ("command", "destination"), [("SEND", SEND), ("SEND", "/app/token"), ("SUBSCRIBE", YARD)]
)
async def test_an_expired_token_is_refused_before_the_next_tick(
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
async def test_a_renewed_token_keeps_the_connection_open(
    harness: Harness, *, in_header: bool
) -> None:
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


async def test_a_renewal_with_another_users_token_is_refused(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        await mina.subscribe(ERRORS, "errors")
        await mina.subscribe(YARD)

        await mina.say("SEND", {"destination": "/app/token"}, harness.issuer.token("jun").encode())

        assert (await mina.refusal())["status"] == 401
        await mina.send("hi")
        assert (await mina.message()).json["sender"] == "mina"


@pytest.mark.parametrize("login", ["login-of-mina", "*"])
async def test_a_revoked_session_closes_its_connections(harness: Harness, login: str) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        harness.live.publish(login_ended("mina", login))

        assert await mina.closed() == 4410
        assert await jun.send("still here")


async def test_connect_with_a_token_of_a_revoked_session_is_refused(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        harness.live.publish(login_ended("mina", "login-of-mina"))
        assert await mina.closed() == 4410

    async with harness.opened() as again:
        token = harness.issuer.token("mina")
        await again.say("CONNECT", {"accept-version": "1.2", "host": "x", "passcode": token})
        assert await again.closed() == 4401
    assert (await harness.post("mina", text="hi")).status_code == 401


async def test_another_session_of_the_user_stays_connected(harness: Harness) -> None:
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
