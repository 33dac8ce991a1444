"""The gateways are restarted one after the other, as a deploy does, while people talk.

`make chaos-rolling` does it with a thousand listeners and prints what they noticed.
"""

import asyncio
import itertools
import os
import time
from functools import partial

from stack.service import Service
from stack.stack import Stack
from tests.support.listeners import Listener, listening
from tests.support.load_clients import LoadClient, LoadClients, load_clients
from tests.support.trust import trusting

_LISTENERS = int(os.environ.get("ROLLING_LISTENERS", "20"))
_PER_PERSON = 40
"""A gateway takes 50 connections of one user, that user's own chat among them."""
_PEOPLE = max(6, -(-_LISTENERS // _PER_PERSON))
_MANY = _LISTENERS > 100
_PER_SECOND = 5 if _MANY else 40
"""Each client receives each message."""
_DRAIN_SECONDS = "10"
_SILENCE_SECONDS = 10
"""Longest silence of any client, on any machine."""
_SETTLE_SECONDS = 60


async def test_a_rolling_restart_of_the_gateways_costs_nobody_a_message(
    mortal_stack: Stack,
) -> None:
    if _MANY:
        settings = mortal_stack.settings | {"MADANG_DRAIN_SECONDS": _DRAIN_SECONDS}
        await asyncio.to_thread(partial(mortal_stack.up, settings=settings))
    with trusting(mortal_stack.ca):
        async with load_clients(mortal_stack.url, people=_PEOPLE) as clients:
            listeners = _listeners(mortal_stack, clients)
            async with listening(*listeners):
                clients.send_at_rate(_PER_SECOND)
                await _all_hear(listeners)
                await clients.acknowledge(2 * _PER_SECOND)
                # To connect so many at once kept all of them, who are one process, from listening.
                for listener in listeners:
                    listener.longest_silence = listener.longest_wait = 0.0
                for client in clients.members:
                    client.longest_silence = 0.0
                for gateway in mortal_stack.gateways:
                    drained = await asyncio.to_thread(_restart, gateway)
                    assert drained > 0
                    await clients.acknowledge(2 * _PER_SECOND)
                await clients.stop_sending()
                await clients.settle()
                await _same(clients, listeners)
            await clients.check()
            _report(clients, listeners)


def _listeners(stack: Stack, clients: LoadClients) -> list[Listener]:
    people = itertools.islice(itertools.cycle(clients.members), _LISTENERS)
    return [Listener(stack.ws_url, person.rooms[0], partial(_token, person)) for person in people]


def _token(person: LoadClient) -> str:
    return person.login.tokens.access


def _restart(gateway: Service) -> float:
    """Stop it as an orchestrator does, start it again, and return how many it had to drain."""
    connections = gateway.metric("madang_gateway_connections")
    begun = time.monotonic()
    assert gateway.stop(), "it was asked to stop, and had to be killed"
    print(f"{gateway.name} stopped within {time.monotonic() - begun:.1f} s")  # noqa: T201 - the figure
    gateway.start()
    return connections


async def _all_hear(listeners: list[Listener]) -> None:
    async with asyncio.timeout(_SETTLE_SECONDS):
        while not all(listener.heard for listener in listeners):  # noqa: ASYNC110 - on sockets
            await asyncio.sleep(0.1)


async def _same(clients: LoadClients, listeners: list[Listener]) -> None:
    """Wait until each listener has the messages that the clients received, in the same order."""
    (room,) = clients.members[0].rooms
    said = [event.id for event in clients.members[0].received[room]]
    async with asyncio.timeout(_SETTLE_SECONDS):
        while any(len(one.heard) < len(said) for one in listeners):  # noqa: ASYNC110 - on sockets
            await asyncio.sleep(0.1)
    assert all(listener.heard == said for listener in listeners)


def _report(clients: LoadClients, listeners: list[Listener]) -> None:
    silences = sorted(
        [listener.longest_silence for listener in listeners]
        + [client.longest_silence for client in clients.members]
    )
    waited = max(listener.longest_wait for listener in listeners)
    codes = {code for listener in listeners for code in listener.codes}
    moved = sum(len(listener.codes) for listener in listeners)
    refused = sum(listener.refusals for listener in listeners)
    print(  # noqa: T201 - what the test is for
        f"{len(silences)} clients, {clients.acknowledged} messages, {_PER_SECOND} per second; "
        f"longest silence of any: {silences[-1]:.2f} s, of half: {silences[len(silences) // 2]:.2f}"
        f" s, and {waited:.2f} s while it listened itself; {moved} connections closed with "
        f"{sorted(codes)}, {refused} upgrades refused"
    )
    assert codes == {1012}
    assert silences[-1] < _SILENCE_SECONDS
