"""A client that does not read or acknowledge: the gateways' memory is bounded."""

import asyncio

from tests.attacks.attack import SECONDS, attack
from tests.attacks.attack_request import AttackRequest
from tests.attacks.bounds import unnoticed
from tests.attacks.setup import Setup
from tests.attacks.stomp_client import connected, say
from tests.e2e.people import shared_room

_ROOMS = 16
_ACCOMPLICES = 2
_EACH = 240
"""Messages of each; sixteen copies of all of them would take 120 MB."""
_WINDOW = 10
"""Messages of each under way at once."""
_HOARDED_BYTES = 64_000_000
"""A bound for one user, and the newest events, which any gateway keeps."""
_FOLLOWING_SECONDS = 0.5
"""Until the attacker follows all rooms."""
_TALKING_SECONDS = 3
_LARGE = "x" * 16_000
_HEAVY = 120
"""Messages; sixteen times as many do not fit into the sockets' buffers."""
_MISSED = 3
"""Few enough to be sent at once, so that the next frame waits until they are taken."""
_CONNECTIONS = 6
_FILLING_SECONDS = 3
"""Until also the buffers of a proxy are full."""


# The first one: memory that was given back once is taken again without a trace.


async def test_frames_behind_an_answer_that_is_not_read_do_not_pile_up(setup: Setup) -> None:
    room = await setup.room(messages=_HEAVY, size=len(_LARGE))
    url, token = setup.product.ws_url, setup.attacker.token
    request = AttackRequest(
        "unread_answers",
        url,
        max(SECONDS, _FILLING_SECONDS),
        _CONNECTIONS,
        bytes_per_second=60_000_000,
        token=token,
        rooms=[room.id],
        since=[room.messages[0], room.messages[-_MISSED - 1]],
    )

    outcome = await attack(setup, request)

    unnoticed(outcome)


async def test_what_is_never_acknowledged_does_not_pile_up(setup: Setup) -> None:
    accomplices = [setup.newcomer("accomplice") for _ in range(_ACCOMPLICES)]
    rooms = [shared_room(accomplices[0], *accomplices[1:], setup.attacker) for _ in range(_ROOMS)]
    url = setup.product.ws_url
    request = AttackRequest(
        "hoarding", url, _TALKING_SECONDS, 1, token=setup.attacker.token, rooms=rooms
    )

    async def talk(token: str) -> None:
        async with connected(url, token) as socket:
            for sent in range(_EACH):
                await socket.send(say(rooms[sent % _ROOMS], _LARGE, receipt=str(sent)))
                if sent >= _WINDOW:
                    assert str(await socket.recv()).startswith("RECEIPT")

    async def talk_all() -> None:
        await asyncio.sleep(_FOLLOWING_SECONDS)
        await asyncio.gather(*(talk(person.token) for person in accomplices))

    outcome = await attack(setup, request, talk_all)

    unnoticed(outcome, memory_bytes=_HOARDED_BYTES)
