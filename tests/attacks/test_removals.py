"""A member who keeps on sending while being shut out: nothing comes after the removal."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection

from tests.attacks.attack import SECONDS
from tests.attacks.doors import DOORS, Sends
from tests.attacks.ground import Ground
from tests.attacks.stomp_client import connected
from tests.e2e.people import Person, shared_room
from tests.support.waiting import until

_ROUNDS = max(4, round(SECONDS * 2))
_BEFORE_SECONDS, _AFTER_SECONDS = 0.15, 0.25
_PATIENCE_SECONDS = 20
_REMOVALS = {"member.removed", "member.banned"}

Event = Mapping[str, Any]


@pytest.mark.parametrize("door", DOORS)
async def test_nothing_of_a_removed_member_stands_behind_the_removal(
    ground: Ground, door: str
) -> None:
    owner, watcher = ground.newcomer("owner"), ground.newcomer("watcher")
    members = [ground.newcomer("member") for _ in range(_ROUNDS)]
    room = shared_room(owner, watcher, *members)
    said: dict[str, Sends] = {}
    late: dict[str, list[str]] = {}

    async with _watching(ground, watcher, room) as seen:
        for number, member in enumerate(members):
            sends = said[member.id] = Sends()
            removed_at = await _shut_out(ground, owner, member, room, number, door, sends)
            late[member.username] = sends.acknowledged_after(removed_at)
        expected = sum(len(sends.acknowledged) for sends in said.values())
        await until(lambda: _count(seen) >= expected)

    stored = await _stored(owner, room, expected)
    print(f"removals by {door}: {expected} acknowledged before")  # noqa: T201 - for `make attacks`
    assert all(sends.acknowledged for sends in said.values())
    assert {name: keys for name, keys in late.items() if keys} == {}
    assert _behind_removal(seen) == [], "others received it"
    assert _behind_removal(stored) == [], "history has it"


async def _shut_out(
    ground: Ground, owner: Person, member: Person, room: str, number: int, door: str, sends: Sends
) -> float:
    """Remove or ban `member`, who sends all the time; return when that was answered."""
    loop = asyncio.get_running_loop()
    sending = loop.create_task(DOORS[door](ground.product, member, room, sends))
    await until(lambda: sends.acknowledged)
    await asyncio.sleep(_BEFORE_SECONDS)
    path = f"/api/rooms/v1/rooms/{room}"
    if number % 2:
        await asyncio.to_thread(owner.call, "DELETE", f"{path}/members/{member.id}", status=204)
    else:
        body = {"reason": "spam"}
        ban = f"{path}/bans/{member.id}"
        await asyncio.to_thread(owner.call, "PUT", ban, status=201, json=body)
    removed_at = time.monotonic()
    await asyncio.sleep(_AFTER_SECONDS)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    return removed_at


@asynccontextmanager
async def _watching(ground: Ground, person: Person, room: str) -> AsyncGenerator[list[Event]]:
    """Yield what `person` sees of the room, as it comes."""
    seen: list[Event] = []

    async def watch(socket: ClientConnection) -> None:
        while True:
            head, _, body = str(await socket.recv()).partition("\n\n")
            if head.startswith("MESSAGE"):
                seen.append(orjson.loads(body.rstrip("\0")))

    async with connected(ground.product.ws_url, person.token) as socket:
        topic = f"/topic/rooms.{room}"
        await socket.send(f"SUBSCRIBE\nid:0\ndestination:{topic}\nreceipt:s\n\n\0")
        assert str(await socket.recv()).startswith("RECEIPT")
        watching = asyncio.get_running_loop().create_task(watch(socket))
        yield seen
        watching.cancel()


async def _stored(owner: Person, room: str, expected: int) -> list[Event]:
    """Return the room's events as history has them, once it has all that was acknowledged."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            found: list[Event] = []
            before: dict[str, str] = {}
            while True:
                path = f"/api/history/v1/rooms/{room}/messages"
                page = owner.call("GET", path, status=200, params={"limit": 100, **before})
                found = [*page["items"], *found]
                if page["before"] is None:
                    break
                before = {"before": page["before"]}
            if _count(found) >= expected:
                return found
            await asyncio.sleep(0.1)


def _count(events: Sequence[Event]) -> int:
    return sum(event["kind"] == "message.created" for event in events)


def _behind_removal(events: Sequence[Event]) -> list[str]:
    """Return the texts of members who had been removed before, in the order of `events`."""
    removed: set[str] = set()
    found = []
    for event in events:
        if event["kind"] in _REMOVALS:
            removed.add(event["data"]["user"])
        elif event["kind"] == "message.created" and event["sender"] in removed:
            found.append(event["data"]["text"])
    return found
