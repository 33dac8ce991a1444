"""Servers are down for ten seconds under load."""

import asyncio
from contextlib import ExitStack

import httpx
import pytest

from stack.stack import Stack
from tests.chaos.load import PER_SECOND, under_load
from tests.e2e.people import register, shared_room
from tests.e2e.stomp_socket import StompSocket
from tests.support.trust import trusting

_AWAY_SECONDS = 10


@pytest.mark.parametrize("server", ["mongodb", "mariadb", "redis"])
async def test_people_talk_on_without(mortal_stack: Stack, server: str) -> None:
    victim = getattr(mortal_stack, server)
    async with under_load(mortal_stack) as clients:
        await asyncio.to_thread(victim.kill)
        async with asyncio.timeout(_AWAY_SECONDS):
            await clients.acknowledge(2 * PER_SECOND)
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


def test_a_gateway_without_rabbitmq_stays_says_what_is_true_and_goes_on_by_itself(
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

        rabbitmq.kill()

        # What was said before can be had all the while, by who is new here too.
        unsure = hers.say(room, "three", key="three")
        with StompSocket.open(mortal_stack.ws_url, junho.token) as again:
            assert again.subscribe(room, since=first).headers["resumed"] == "true"
            assert again.next().headers["message-id"] == second
        refusal = hers.next()
        assert refusal.command == "MESSAGE"
        assert refusal.json["type"] == "urn:madang:problem:unavailable"
        assert refusal.json["receipt-id"] == unsure
        assert refusal.json["retry_after_seconds"] > 0
        assert hers.barrier() == his.barrier() == []
        assert {gateway.metric("madang_gateway_log_connected") for gateway in gateways} == {0}

        rabbitmq.start()

        answer = refusal
        while answer.command != "RECEIPT":
            hers.say(room, "three", key="three", retry="true")
            answer = hers.next()
        third = answer.headers["message-id"]
        assert his.next().headers["message-id"] == third
        assert his.barrier() == []
        assert {gateway.metric("madang_gateway_log_connected") for gateway in gateways} == {1}
        assert [gateway.process for gateway in gateways] == processes
