"""Sessions revoked by polling, without a live event."""

import time

from websockets.frames import Opcode

from madang_common.tokens.revocations import Revocation
from services.gateway.tests.harness import Harness
from services.gateway.tests.raw_socket import raw_socket
from services.gateway.tests.stomp_client import written

YARD = "/topic/rooms.yard"


def one(login: str, user: str = "mina") -> Revocation:
    return Revocation(user=user, login=login, at=time.time())


def all_but(keep: str | None, user: str = "mina") -> Revocation:
    return Revocation(user=user, login=None, keep=keep, at=time.time() + 1)


async def test_the_connections_of_a_revoked_session_are_closed(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        harness.ended.append(one("login-of-mina"))

        assert await mina.closed() == 4410
        assert await jun.send("still here")


async def test_another_session_of_the_user_stays_connected(harness: Harness) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        harness.ended.append(one("another login of mina's"))
        harness.ended.append(one("login-of-jun", "jun"))

        assert await jun.closed() == 4410
        assert await mina.send("still here")


async def test_all_sessions_of_a_user_are_closed_except_the_kept_one(
    harness: Harness,
) -> None:
    async with harness.connected("mina") as mina, harness.connected("jun") as jun:
        harness.ended.append(all_but("login-of-mina"))
        harness.ended.append(all_but(None, "jun"))

        assert await jun.closed() == 4410
        assert await mina.send("still here")


async def test_tokens_of_a_revoked_session_are_refused(harness: Harness) -> None:
    async with harness.connected("mina") as mina:
        harness.ended.append(one("login-of-mina"))
        assert await mina.closed() == 4410

    async with harness.opened() as again:
        token = harness.issuer.token("mina")
        await again.say("CONNECT", {"accept-version": "1.2", "host": "x", "passcode": token})
        assert await again.closed() == 4401
    assert (await harness.post("mina", text="hi")).status_code == 401


async def test_sends_after_the_servers_close_are_ignored(harness: Harness) -> None:
    async with raw_socket(harness.port) as mina, harness.connected("jun") as jun:
        await jun.subscribe(YARD)
        await mina.upgrade()
        connect = {"accept-version": "1.2", "passcode": harness.issuer.token("mina")}
        await mina.frame(Opcode.TEXT, written("CONNECT", connect))
        await mina.until(b"CONNECTED")

        harness.ended.append(one("login-of-mina"))
        await mina.until(b"This session has ended")
        for _ in range(20):
            late = written("SEND", {"destination": "/app/rooms.yard.send"}, b"late")
            await mina.frame(Opcode.TEXT, late)
        await mina.rest()

        said = await jun.send("hi")
        assert (await jun.message()).headers["message-id"] == said
