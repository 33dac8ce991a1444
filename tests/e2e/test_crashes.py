"""People talk through the SDK while the product is killed under them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from madang_client import Account, Chat, Event, Login, Subscription
from tests.e2e.people import PASSWORD
from tests.e2e.product import Product

_MESSAGES = 60
_CRASHES = 3
_SECONDS = 60


@dataclass
class Talker:
    """Somebody who says numbered things in a room and notes what is acknowledged and heard."""

    login: Login
    on_acknowledged: Callable[[], None]
    acknowledged: dict[str, str] = field(default_factory=dict)
    """The id that was acknowledged for each text."""
    heard: list[Event] = field(default_factory=list)

    async def say_all(self, chat: Chat, room: str) -> None:
        for number in range(_MESSAGES):
            text = f"{self.login.username} {number}"
            self.acknowledged[text] = await chat.send(room, text)
            self.on_acknowledged()

    async def listen(self, subscription: Subscription, until: int) -> None:
        async for item in subscription:
            assert isinstance(item, Event), item
            if item.kind == "message.created":
                self.heard.append(item)
            if len(self.heard) == until:
                return


async def _gather(
    accounts: AsyncExitStack, url: str, names: Sequence[str]
) -> tuple[list[Login], str]:
    """Return the logins of new people who share a room, and its id."""
    logins = []
    for name in names:
        username = f"{name}-{secrets.token_hex(4)}"
        account = await accounts.enter_async_context(Account(url))
        await account.register(username, PASSWORD)
        logins.append(await account.login(username, PASSWORD))
    room = (await logins[0].create_room("마당")).id
    code = (await logins[0].invite(room)).code
    for login in logins[1:]:
        await login.accept(code)
    return logins, room


@pytest.fixture
async def accounts() -> AsyncIterator[AsyncExitStack]:
    """Give what closes the accounts of a test."""
    async with AsyncExitStack() as stack:
        yield stack


async def test_what_was_acknowledged_is_heard_by_all_once_and_in_one_order(
    mortal: Product, accounts: AsyncExitStack
) -> None:
    logins, room = await _gather(accounts, mortal.url, ["minji", "junho", "sora"])
    acknowledged = asyncio.Semaphore(0)
    talkers = [Talker(login, acknowledged.release) for login in logins]
    expected = len(talkers) * _MESSAGES

    async def crash() -> None:
        for _crash in range(_CRASHES):
            for _ in range(expected // (_CRASHES + 1)):
                await acknowledged.acquire()
            await asyncio.to_thread(mortal.restart)

    async def take_part(talker: Talker) -> None:
        async with talker.login.chat() as chat:
            subscription = await chat.subscribe(room)
            await ready.wait()
            async with asyncio.TaskGroup() as group:
                group.create_task(talker.say_all(chat, room))
                group.create_task(talker.listen(subscription, expected))

    ready = asyncio.Barrier(len(talkers))
    async with asyncio.timeout(_SECONDS), asyncio.TaskGroup() as group:
        group.create_task(crash())
        for talker in talkers:
            group.create_task(take_part(talker))

    order = [event.id for event in talkers[0].heard]
    assert order == sorted(set(order))
    for talker in talkers:
        assert [event.id for event in talker.heard] == order
        heard = {event.text: event.id for event in talker.heard}
        assert talker.acknowledged.items() <= heard.items()
    stored = [event.id for event in await _stored(logins[0], room, expected)]
    assert stored == order


async def _stored(login: Login, room: str, expected: int) -> list[Event]:
    """Return the room's messages as history has them, once it has as many as expected."""
    while True:
        events: list[Event] = []
        before: str | None = None
        while True:
            page = await login.history(room, before=before, limit=50)
            events = [*page.items, *events]
            before = page.before
            if before is None:
                break
        messages = [event for event in events if event.kind == "message.created"]
        if len(messages) >= expected:
            return messages
