"""Users and rooms for the attacks on one product."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import httpx
from websockets.asyncio.client import ClientConnection

from tests.attacks.stomp_client import connected, say
from tests.e2e.people import Person, register, shared_room
from tests.e2e.product import Product

_FILLERS = 2
_WINDOW = 25
"""Messages of one filler under way at once."""


@dataclass(frozen=True)
class Room:
    """A room that the attacker is a member of."""

    id: str
    messages: Sequence[str]
    """The ids of its messages, in log order."""


@dataclass
class Setup:
    """Where attacks on `product` take place; rooms are filled once."""

    product: Product
    client: httpx.Client
    _rooms: dict[tuple[int, int], Room] = field(default_factory=dict)
    _attacker: Person | None = None

    @property
    def attacker(self) -> Person:
        """The account of attackers that log in."""
        if self._attacker is None:
            self._attacker = self.newcomer("mallory")
        return self._attacker

    def newcomer(self, name: str) -> Person:
        """Register and return a new user."""
        return register(self.client, name)

    async def room(self, *, messages: int, size: int) -> Room:
        """Return a room with that many messages of `size` bytes."""
        asked = (messages, size)
        if asked not in self._rooms:
            fillers = [self.newcomer("filler") for _ in range(_FILLERS)]
            room = shared_room(fillers[0], *fillers[1:], self.attacker)
            share = messages // _FILLERS
            fills = (self._fill(filler, room, share, "x" * size) for filler in fillers)
            found = await asyncio.gather(*fills)
            self._rooms[asked] = Room(room, sorted(chain.from_iterable(found)))
        return self._rooms[asked]

    async def _fill(self, filler: Person, room: str, messages: int, text: str) -> list[str]:
        """Send `text` `messages` times, and return the ids of the messages."""
        ids: list[str] = []
        async with connected(self.product.ws_url, filler.token) as socket:
            for sent in range(messages):
                await socket.send(say(room, text, receipt=str(sent)))
                if sent >= _WINDOW:
                    ids.append(await _message_id(socket))
            while len(ids) < messages:
                ids.append(await _message_id(socket))
        return ids


async def _message_id(socket: ClientConnection) -> str:
    receipt = str(await socket.recv())
    assert receipt.startswith("RECEIPT"), receipt
    _, _, rest = receipt.partition("\nmessage-id:")
    return rest.partition("\n")[0]
