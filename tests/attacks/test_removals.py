"""A member who sends without pause while being removed: nothing is stored after the removal."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from tests.attacks.attack import SECONDS
from tests.attacks.send_paths import SEND_PATHS, Sends
from tests.attacks.setup import Setup
from tests.attacks.stomp_client import connected
from tests.e2e.people import Person, shared_room
from tests.support.stomp_frames import read_frames
from tests.support.waiting import until

_ROUNDS = max(4, round(SECONDS * 2))
_BEFORE_SECONDS, _AFTER_SECONDS = 0.15, 0.25
_PATIENCE_SECONDS = 20
_REMOVALS = {"member.removed", "member.banned"}

Event = Mapping[str, Any]


@pytest.mark.parametrize("send_path", SEND_PATHS)
async def test_nothing_of_a_removed_member_stands_behind_the_removal(
    setup: Setup, send_path: str
) -> None:
    owner, watcher = setup.newcomer("owner"), setup.newcomer("watcher")
    members = [setup.newcomer("member") for _ in range(_ROUNDS)]
    room = shared_room(owner, watcher, *members)
    said: dict[str, Sends] = {}
    late: dict[str, list[str]] = {}

    async with _watching(setup, watcher, room) as seen:
        for number, member in enumerate(members):
            sends = said[member.id] = Sends()
            removed_at = await _shut_out(setup, owner, member, room, number, send_path, sends)
            late[member.username] = sends.acknowledged_after(removed_at)
        expected = sum(len(sends.acknowledged) for sends in said.values())
        await until(lambda: _count(seen) >= expected)

    stored = await _stored(owner, room, expected)
    print(f"removals by {send_path}: {expected} acknowledged before")  # noqa: T201 - for `make attacks`
    assert all(sends.acknowledged for sends in said.values())
    assert {name: keys for name, keys in late.items() if keys} == {}
    assert _behind_removal(seen) == [], "others received it"
    assert _behind_removal(stored) == [], "history has it"


async def _shut_out(
    setup: Setup,
    owner: Person,
    member: Person,
    room: str,
    number: int,
    send_path: str,
    sends: Sends,
) -> float:
    """Remove or ban `member` while they send; return the time of the answer."""
    loop = asyncio.get_running_loop()
    sending = loop.create_task(SEND_PATHS[send_path](setup.product, member, room, sends))
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
async def _watching(setup: Setup, person: Person, room: str) -> AsyncGenerator[list[Event]]:
    """Yield the list to which the events that `person` receives are appended."""
    seen: list[Event] = []

    async def watch(socket: ClientConnection) -> None:
        while True:
            frames = read_frames(await socket.recv(decode=False))
            seen.extend(frame.json for frame in frames if frame.command == "MESSAGE")

    async with connected(setup.product.ws_url, person.token) as socket:
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
                path = f"/api/history/v1/rooms/{room}/events"
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
    """Return the texts of members that were removed earlier in `events`."""
    removed: set[str] = set()
    found = []
    for event in events:
        if event["kind"] in _REMOVALS:
            removed.add(event["data"]["user"])
        elif event["kind"] == "message.created" and event["sender"] in removed:
            found.append(event["data"]["text"])
    return found
