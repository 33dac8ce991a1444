"""Each way to send, used by a member without pause."""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.attacks.stomp_client import connected, say
from tests.e2e.people import Person
from tests.e2e.product import Product
from tests.support.tls import client_context

_PAUSE_SECONDS = 0.006
_RECEIPT = re.compile(r"^RECEIPT\n(?:.*\n)*?receipt-id:(\S+)\n")
_ERRORS = "SUBSCRIBE\nid:errors\ndestination:/user/queue/errors\n\n\0"
_PARALLEL = 8
_CREATED = 201


@dataclass
class Sends:
    """A member's sends: their times, and which were acknowledged."""

    sent_at: dict[str, float] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)

    def begin(self) -> str:
        """Note a new send; return its key."""
        key = f"key-{len(self.sent_at)}"
        self.sent_at[key] = time.monotonic()
        return key

    def acknowledged_after(self, moment: float) -> list[str]:
        """Return the texts that were sent after `moment` and yet acknowledged."""
        return [key for key in self.acknowledged if self.sent_at[key] > moment]


SendPath = Callable[[Product, Person, str, Sends], Coroutine[Any, Any, None]]
"""Sends to a room until it is cancelled, or turned away."""


def _send(room: str, key: str) -> str:
    return say(room, key, key=key, retry="true", receipt=key)


def _commit(room: str, key: str) -> str:
    """Return a transaction of one SEND."""
    send = say(room, key, key=key, retry="true", transaction=key)
    return f"BEGIN\ntransaction:{key}\n\n\0{send}COMMIT\ntransaction:{key}\nreceipt:{key}\n\n\0"


def _over_stomp(frames: Callable[[str, str], str]) -> SendPath:
    async def send(product: Product, member: Person, room: str, sends: Sends) -> None:
        async with connected(product.ws_url, member.token) as socket:
            await socket.send(_ERRORS)
            reading = asyncio.get_running_loop().create_task(_read(socket, sends))
            try:
                while not reading.done():
                    await socket.send(frames(room, sends.begin()))
                    await asyncio.sleep(_PAUSE_SECONDS)
            except ConnectionClosed:
                return
            finally:
                reading.cancel()

    return send


async def _read(socket: ClientConnection, sends: Sends) -> None:
    try:
        while True:
            found = _RECEIPT.match(str(await socket.recv()))
            if found is not None:
                sends.acknowledged.add(found[1])
    except ConnectionClosed:
        return


async def _over_rest(product: Product, member: Person, room: str, sends: Sends) -> None:
    path = f"/api/gateway/v1/rooms/{room}/messages"
    headers = {"Authorization": f"Bearer {member.token}"}
    verify = client_context() if product.url.startswith("https:") else False

    async def send(client: httpx.AsyncClient) -> None:
        while True:
            key = sends.begin()
            answer = await client.post(path, json={"text": key, "key": key})
            if answer.status_code == _CREATED:
                sends.acknowledged.add(key)

    async with (
        httpx.AsyncClient(
            base_url=product.url, headers=headers, verify=verify, timeout=20
        ) as client,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(_PARALLEL):
            group.create_task(send(client))


SEND_PATHS: Mapping[str, SendPath] = {
    "send": _over_stomp(_send),
    "commit": _over_stomp(_commit),
    "rest": _over_rest,
}
