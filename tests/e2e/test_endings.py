"""A user whose access ends is disconnected within two seconds, on every gateway."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import jwt
import pytest
from websockets.exceptions import ConnectionClosed

from madang_auth.settings import AuthSettings
from madang_auth.signing.keyring import Keyring
from madang_auth.wiring import open_user_admin
from services.gateway.tests.stomp_client import Client, opened
from stack.stack import Stack
from tests.e2e.people import PASSWORD, Person, register, shared_room
from tests.support.stomp_frames import Frame
from tests.support.trust import trusting

_SECONDS = 2.0
"""From the fact to its effect, everywhere."""
_PAUSE_SECONDS = 0.1

Fact = Callable[[], Awaitable[float]]
"""Lets it happen, and returns when it did."""


@dataclass(frozen=True)
class Seen:
    """The outcome for junho's connections: he is subscribed and sends on each gateway."""

    fact_at: float
    closed_at: list[float]
    codes: list[int]
    heard_at: list[float]
    """Send times of the messages that he received."""
    taken_at: list[float]
    """Times of his messages, as the other members received them."""


@pytest.fixture
async def people(stack: Stack) -> AsyncIterator[tuple[Person, Person, str]]:
    """Yield minji, who stays, junho, whose access ends, and their room."""
    with trusting(stack.ca), httpx.Client(base_url=stack.url, timeout=20) as client:
        minji, junho = register(client, "minji"), register(client, "junho")
        yield minji, junho, shared_room(minji, junho)


async def observe(stack: Stack, room: str, stays: str, goes: str, fact: Fact) -> Seen:
    """Let the user with the token `goes` subscribe and send on every gateway, then call `fact`."""
    urls = [f"ws://{gateway.address}/ws" for gateway in stack.gateways]
    async with AsyncExitStack() as stack_of_clients:

        async def connected(url: str, token: str) -> Client:
            client = await stack_of_clients.enter_async_context(opened(url))
            await client.connect(token)
            return client

        talker, witness = [await connected(url, stays) for url in urls]
        listeners = [await connected(url, goes) for url in urls]
        speakers = [await connected(url, goes) for url in urls]
        for client in (witness, *listeners):
            await client.subscribe(f"/topic/rooms.{room}")
        async with all_speaking(talker, *speakers, room=room):
            watching = [asyncio.create_task(watch(client)) for client in (*listeners, *speakers)]
            fact_at = await fact()
            ends = await asyncio.gather(*watching)
        last = await talker.send("the end", room)
        taken = [await witness.message()]
        while taken[-1].headers["message-id"] != last:
            taken.append(await witness.message())
    mine = taken[-1].json["sender"]
    return Seen(
        fact_at,
        closed_at=[at for at, _ in ends],
        codes=[code for _, code in ends],
        heard_at=[said_at(frame) for client in listeners for frame in client.left()],
        taken_at=[said_at(frame) for frame in taken if frame.json["sender"] != mine],
    )


@asynccontextmanager
async def all_speaking(*clients: Client, room: str) -> AsyncIterator[None]:
    """Send without pause from all of `clients`, until each is closed."""

    async def speak(client: Client) -> None:
        with suppress(ConnectionClosed):
            while True:
                await client.say("SEND", {"destination": f"/app/rooms.{room}.send"}, b"hello")
                await asyncio.sleep(_PAUSE_SECONDS)

    speaking = [asyncio.create_task(speak(client)) for client in clients]
    try:
        yield
    finally:
        for task in speaking:
            task.cancel()
        await asyncio.gather(*speaking, return_exceptions=True)


async def watch(client: Client) -> tuple[float, int]:
    """Return the time and the code of the server's close."""
    code = await client.closed()
    return time.time(), code


def said_at(frame: Frame) -> float:
    return datetime.fromisoformat(frame.json["at"]).timestamp()


def check_gone(seen: Seen, code: int) -> None:
    """Check that all four connections ended in time, and nothing went either way from then on."""
    assert seen.codes == [code] * 4
    slowest = max(seen.closed_at) - seen.fact_at
    print(f"{code}: the last of four connections closed {slowest:.3f} s after the fact")  # noqa: T201 - for people
    assert slowest <= _SECONDS
    assert seen.heard_at
    assert seen.taken_at
    assert max(seen.heard_at) <= seen.fact_at + _SECONDS
    assert max(seen.taken_at) <= seen.fact_at + _SECONDS


async def check_refused_everywhere(stack: Stack, token: str, fact_at: float) -> None:
    """Check that each replica of each service refuses `token` two seconds after the fact."""
    await asyncio.sleep(max(0.0, fact_at + _SECONDS - time.time()))
    paths = {
        "auth": ("GET", "/api/auth/v1/me"),
        "rooms": ("GET", "/api/rooms/v1/rooms"),
        "history": ("GET", "/api/history/v1/rooms/none/messages"),
        "gateway": ("POST", "/api/gateway/v1/rooms/none/messages"),
    }
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        for service in stack.services:
            method, path = paths[service.kind]
            body = {"text": "hello"} if method == "POST" else None
            answer = await client.request(method, f"{service.url}{path}", json=body)
            assert answer.status_code == 401, (service.name, answer.text)


def expiring(stack: Stack, token: str, seconds: int) -> tuple[str, int]:
    """Return `token` with another expiry, as auth would have signed it, and that expiry."""
    keys = Keyring(Path(stack.settings_of("auth")["MADANG_SIGNING_KEYS_DIR"])).keys
    claims = jwt.decode(token, options={"verify_signature": False})
    claims["exp"] = int(time.time()) + seconds
    signed = jwt.encode(claims, keys.signing, algorithm="EdDSA", headers={"kid": keys.kid})
    return signed, claims["exp"]


async def test_an_expired_token_ends_its_connections_everywhere(
    stack: Stack, people: tuple[Person, Person, str]
) -> None:
    minji, junho, room = people
    token, expires_at = expiring(stack, junho.token, 5)

    async def fact() -> float:
        await asyncio.sleep(expires_at - time.time())
        return expires_at

    seen = await observe(stack, room, minji.token, token, fact)

    check_gone(seen, 4501)
    # Frame by frame, whenever the next tick is; what was read just before it is dated just after.
    assert max(seen.taken_at) <= expires_at + 0.5
    await check_refused_everywhere(stack, token, seen.fact_at)


async def test_an_ended_login_ends_its_connections_everywhere(
    stack: Stack, people: tuple[Person, Person, str]
) -> None:
    minji, junho, room = people

    async def fact() -> float:
        await asyncio.sleep(1)
        at = time.time()
        body = {"refresh_token": junho.refresh_token}
        await asyncio.to_thread(junho.call, "POST", "/api/auth/v1/logout", status=204, json=body)
        return at

    seen = await observe(stack, room, minji.token, junho.token, fact)

    check_gone(seen, 4410)
    await check_refused_everywhere(stack, junho.token, seen.fact_at)


async def test_a_disabled_user_loses_all_connections_everywhere(
    stack: Stack, people: tuple[Person, Person, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    minji, junho, room = people
    for name, value in stack.settings_of("auth").items():
        monkeypatch.setenv(name, value)
    # What the command does, without the time that a process takes to start and to end.
    async with open_user_admin(AuthSettings()) as operator:

        async def fact() -> float:
            await asyncio.sleep(1)
            at = time.time()
            await operator.disable(junho.username)
            return at

        seen = await observe(stack, room, minji.token, junho.token, fact)

    check_gone(seen, 4410)
    await check_refused_everywhere(stack, junho.token, seen.fact_at)
    account = {"username": junho.username, "password": PASSWORD}
    refused = junho.client.post("/api/auth/v1/login", json=account)
    assert refused.json()["type"] == "urn:madang:problem:disabled-account"
