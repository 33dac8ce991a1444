"""Users on different gateways, which share only the log."""

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from stack.stack import Stack
from tests.e2e.people import register, shared_room
from tests.e2e.stomp_socket import StompSocket
from tests.support.load_clients import load_clients
from tests.support.trust import trusting

_CLIENTS = 20
_SENDERS = 50
_MESSAGES_OF_EACH = 6


@pytest.fixture
def gateways(stack: Stack) -> list[str]:
    """Give the WebSocket address of each gateway, past the proxy."""
    return [f"ws://{gateway.address}/ws" for gateway in stack.gateways]


async def test_two_people_on_two_gateways_talk(stack: Stack, gateways: list[str]) -> None:
    with trusting(stack.ca):
        async with load_clients(stack.url, people=2, chats=gateways) as clients:
            clients.send_at_rate(per_second=20)
            await clients.acknowledge(20)
            await clients.stop_sending()
            await clients.settle()
            await clients.check()


async def test_all_clients_of_both_gateways_see_one_order(
    stack: Stack, gateways: list[str]
) -> None:
    with trusting(stack.ca):
        async with load_clients(stack.url, people=_CLIENTS, chats=gateways) as clients:

            async def say_some(sender: int) -> None:
                client = clients.members[sender % _CLIENTS]
                for number in range(_MESSAGES_OF_EACH):
                    await clients.say(client, client.rooms[0], f"sender {sender}: {number}")

            await asyncio.gather(*map(say_some, range(_SENDERS)))
            await clients.settle()
            await clients.check()

            assert clients.acknowledged == _SENDERS * _MESSAGES_OF_EACH
            order = [
                event.text for event in clients.members[0].received[clients.members[0].rooms[0]]
            ]
            for sender in range(_SENDERS):
                said = [text for text in order if text.startswith(f"sender {sender}: ")]
                assert said == [f"sender {sender}: {n}" for n in range(_MESSAGES_OF_EACH)]


def test_who_is_removed_receives_nothing_past_the_removal_on_the_other_gateway(
    stack: Stack, gateways: list[str]
) -> None:
    with trusting(stack.ca), httpx.Client(base_url=stack.url, timeout=20) as client:
        minji, junho = register(client, "minji"), register(client, "junho")
        room = shared_room(minji, junho)
        with (
            StompSocket.open(gateways[0], minji.token) as hers,
            StompSocket.open(gateways[1], junho.token) as his,
        ):
            hers.subscribe(room)
            his.subscribe(room)
            numbers = itertools.count()
            for _ in range(20):
                hers.say(room, f"{next(numbers)}")

            minji.call("DELETE", f"/api/rooms/v1/rooms/{room}/members/{junho.id}", status=204)
            events: list[Any] = []
            while not events or events[-1]["kind"] != "member.removed":
                frame = hers.next()
                if frame.command == "MESSAGE":
                    events.append(frame.json)
            hers.say(room, "now we are alone")
            while hers.next().command != "RECEIPT":
                pass

            received: list[Any] = []
            while not received or received[-1]["kind"] != "member.removed":
                received.append(his.next().json)
            assert received == events
            assert his.barrier() == []
            assert his.subscribe(room).command == "ERROR"


def test_what_is_said_once_a_removal_is_answered_does_not_reach_who_was_removed(
    stack: Stack, gateways: list[str]
) -> None:
    with trusting(stack.ca), httpx.Client(base_url=stack.url, timeout=20) as client:
        minji, junho = register(client, "minji"), register(client, "junho")
        for _ in range(10):
            room = shared_room(minji, junho)
            with (
                StompSocket.open(gateways[0], minji.token) as hers,
                StompSocket.open(gateways[1], junho.token) as his,
            ):
                his.subscribe(room)

                minji.call("DELETE", f"/api/rooms/v1/rooms/{room}/members/{junho.id}", status=204)
                hers.say(room, "now we are alone")
                assert hers.next().command == "RECEIPT"

                received = [his.next().json]
                while received[-1]["kind"] != "member.removed":
                    received.append(his.next().json)
                assert "message.created" not in {event["kind"] for event in received}
                assert his.barrier() == []
