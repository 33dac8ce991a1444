"""Servers are down for ten seconds under load."""

import asyncio
from contextlib import ExitStack

import httpx
import pytest

from stack.servers.deadline import wait_until
from stack.service import Service
from stack.stack import Stack
from tests.chaos.load import PER_SECOND, under_load
from tests.e2e.people import Person, register, shared_room
from tests.e2e.stomp_socket import StompSocket
from tests.support.trust import trusting

_AWAY_SECONDS = 10


@pytest.mark.parametrize(
    ("server", "not_ready"), [("mongodb", {"history"}), ("mariadb", {"rooms"}), ("redis", set())]
)
async def test_people_talk_on_without(
    mortal_stack: Stack, server: str, not_ready: set[str]
) -> None:
    victim = getattr(mortal_stack, server)
    async with under_load(mortal_stack) as clients:
        await asyncio.to_thread(victim.kill)
        async with asyncio.timeout(_AWAY_SECONDS):
            await clients.acknowledge(2 * PER_SECOND)
        states = await asyncio.to_thread(readiness, mortal_stack.services)
        assert {name.rpartition("-")[0] for name, ready in states.items() if not ready} == not_ready
        await asyncio.sleep(_AWAY_SECONDS / 2)
        await asyncio.to_thread(victim.start)


async def test_what_waits_for_rabbitmq_is_sent_once_it_is_back(mortal_stack: Stack) -> None:
    async with under_load(mortal_stack) as clients:
        await asyncio.to_thread(mortal_stack.rabbitmq.kill)
        acknowledged = clients.acknowledged
        await asyncio.sleep(_AWAY_SECONDS)
        # A RECEIPT may have been on its way already, but nothing is acknowledged without the log.
        assert clients.acknowledged - acknowledged < PER_SECOND
        await asyncio.to_thread(mortal_stack.rabbitmq.start)


def test_a_gateway_without_rabbitmq_stays_ready_refuses_sends_and_recovers(
    mortal_stack: Stack,
) -> None:
    rabbitmq, gateways = mortal_stack.rabbitmq, mortal_stack.gateways
    processes = [gateway.process for gateway in gateways]
    with trusting(mortal_stack.ca), ExitStack() as stack:
        client = stack.enter_context(httpx.Client(base_url=mortal_stack.url, timeout=20))
        minji, junho = register(client, "minji"), register(client, "junho")
        room = shared_room(minji, junho)
        hers = stack.enter_context(StompSocket.open(mortal_stack.ws_url, minji.token))
        his = stack.enter_context(StompSocket.open(mortal_stack.ws_url, junho.token))
        hers.send("SUBSCRIBE", id="errors", destination="/user/queue/errors")
        # What rooms has to tell of the two is in the log before it goes away.
        assert his.subscribe(room, since="start").headers["resumed"] == "true"
        while his.next().json["data"].get("user") != junho.id:
            pass
        for text in ("one", "two"):
            hers.say(room, text)
        first, second = (hers.next().headers["message-id"] for _ in range(2))
        assert [his.next().headers["message-id"] for _ in range(2)] == [first, second]
        until_stored(minji, room, [first, second])

        rabbitmq.kill()

        # What was said before can be had all the while, by who is new here too.
        unsure = hers.say(room, "three", key="three")
        late = stack.enter_context(StompSocket.open(mortal_stack.ws_url, junho.token))
        late.send("SUBSCRIBE", id="errors", destination="/user/queue/errors")
        assert late.subscribe(room, since=first).headers["resumed"] == "true"
        assert late.next().headers["message-id"] == second
        unsure_too = late.say(room, "four", key="four")
        check_degraded(gateways)
        assert all(readiness(mortal_stack.services).values())
        assert stored(junho, room) == [first, second]
        check_refused(hers, unsure)
        check_refused(late, unsure_too)
        assert hers.barrier() == his.barrier() == late.barrier() == []
        assert {gateway.metric("madang_gateway_log_connected") for gateway in gateways} == {0}

        rabbitmq.start()

        third = say_until_acknowledged(hers, room, "three")
        assert his.next().headers["message-id"] == late.next().headers["message-id"] == third
        fourth = say_until_acknowledged(late, room, "four", is_subscribed=True)
        assert his.next().headers["message-id"] == fourth
        assert hers.barrier() == his.barrier() == late.barrier() == []
        until_stored(minji, room, [first, second, third, fourth])
        assert {gateway.metric("madang_gateway_log_connected") for gateway in gateways} == {1}
        assert [gateway.process for gateway in gateways] == processes


def readiness(services: list[Service]) -> dict[str, bool]:
    """Return whether each replica is ready, by its name."""
    return {
        service.name: httpx.get(f"{service.url}/health/ready", trust_env=False).is_success
        for service in services
    }


def check_degraded(gateways: list[Service]) -> None:
    """Check that all gateways are ready, and say that the log is unavailable."""
    for gateway in gateways:
        ready = httpx.get(f"{gateway.url}/health/ready", trust_env=False)
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded"), ready.text
        states = ready.json()["dependencies"]
        assert states["log"] != "ok"
        assert states["follower"] == states["admission"] == "ok"


def check_refused(socket: StompSocket, receipt: str) -> None:
    """Check that the next frame refuses the SEND with `receipt`, to be sent again."""
    refusal = socket.next()
    assert refusal.command == "MESSAGE"
    assert refusal.json["type"] == "urn:madang:problem:unavailable"
    assert refusal.json["receipt-id"] == receipt
    assert refusal.json["retry_after_seconds"] > 0


def say_until_acknowledged(
    socket: StompSocket, room: str, text: str, *, is_subscribed: bool = False
) -> str:
    """Send `text` with itself as the key until it is acknowledged; return its id.

    If `is_subscribed`, the socket receives it too, once.
    """
    received: list[str] = []
    acknowledged = ""
    socket.say(room, text, key=text, retry="true")
    while not acknowledged or (is_subscribed and not received):
        frame = socket.next()
        if frame.command == "RECEIPT":
            acknowledged = frame.headers["message-id"]
        elif frame.json.get("type") == "urn:madang:problem:unavailable":
            socket.say(room, text, key=text, retry="true")
        else:
            received.append(frame.headers["message-id"])
    assert received == [acknowledged] * is_subscribed
    return acknowledged


def stored(person: Person, room: str) -> list[str]:
    """Return the ids of the room's messages in history, oldest first."""
    path = f"/api/history/v1/rooms/{room}/messages"
    page = person.call("GET", path, status=200)
    return [item["id"] for item in page["items"]]


def until_stored(person: Person, room: str, messages: list[str]) -> None:
    """Return when history has exactly `messages`, oldest first."""
    assert wait_until(lambda: stored(person, room) == messages, seconds=30), stored(person, room)
