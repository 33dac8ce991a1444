"""A crowd that talks in shared rooms through the SDK, and then compares notes.

Everybody says numbered things at a steady pace, notes which of them were acknowledged and under
which id, and notes what they hear. `settle` waits until all was heard by everyone, and `compare`
holds the notes against each other and against history.
"""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from madang_client import Account, Chat, ChatSettings, Event, Login, Subscription

PASSWORD = "correct horse battery"
_PAGE = 100
_OUTSTANDING_SECONDS = 3
_CATCH_UP_SECONDS = 0.5
"""How far behind its pace the crowd may be and still make up for it."""
_PATIENT = ChatSettings(
    receipt_seconds=10,
    backoff_base_seconds=0.1,
    backoff_cap_seconds=1,
    unavailable_attempts=10_000,
    unconfirmed_sends=2_000,
    queue_events=10_000,
)
"""Comes back soon and does not give up."""


@dataclass
class Talker:
    """Somebody in the crowd, with their notes."""

    login: Login
    name: str
    chat: Chat
    rooms: Sequence[str]
    acknowledged: dict[str, dict[str, str]] = field(default_factory=dict)
    """By room: the id under which each text was acknowledged."""
    heard: dict[str, list[Event]] = field(default_factory=dict)
    """By room: messages in the order in which they came."""
    longest_silence: float = 0.0
    """Seconds between two messages heard one after the other."""

    async def say(self, room: str, text: str, told: Callable[[], object]) -> None:
        """Say `text`, and note its id when it is acknowledged."""
        event_id = await self.chat.send(room, text)
        self.acknowledged.setdefault(room, {})[text] = event_id
        told()

    async def listen(
        self, room: str, subscription: Subscription, told: Callable[[], object]
    ) -> None:
        """Note what is said in `room`."""
        loop = asyncio.get_running_loop()
        heard = self.heard.setdefault(room, [])
        last = loop.time()
        async for item in subscription:
            assert isinstance(item, Event), f"{self.name} was told of a gap: {item}"
            if item.kind == "message.created":
                heard.append(item)
                now = loop.time()
                self.longest_silence = max(self.longest_silence, now - last)
                last = now
                told()


class Crowd:
    """The people; make one with `async with gathered(...)`."""

    def __init__(self, talkers: Sequence[Talker], group: asyncio.TaskGroup) -> None:
        self.talkers = talkers
        self._group = group
        self._sends: set[asyncio.Task[None]] = set()
        self._noted = asyncio.Event()
        self._talking: asyncio.Task[None] | None = None

    @property
    def acknowledged(self) -> int:
        """Messages acknowledged so far."""
        return sum(len(texts) for talker in self.talkers for texts in talker.acknowledged.values())

    def talk(self, per_second: float) -> None:
        """Let everybody talk, `per_second` messages in all, until `hush`.

        They pause as long as more than a few seconds' worth is not acknowledged.
        """
        self._talking = self._group.create_task(self._talk(per_second))

    async def say(self, talker: Talker, room: str, text: str) -> None:
        """Let `talker` say `text`, and return when that is acknowledged."""
        await talker.say(room, text, self.note)

    async def hush(self) -> None:
        """Let nobody begin to say anything more."""
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.gather(self._talking, return_exceptions=True)

    async def acknowledge(self, more: int) -> None:
        """Return when `more` messages than now are acknowledged."""
        goal = self.acknowledged + more
        await self._until(lambda: self.acknowledged >= goal)

    async def settle(self, seconds: float = 60) -> None:
        """Return when everything said is acknowledged and heard by everyone."""
        async with asyncio.timeout(seconds):
            await asyncio.gather(*self._sends)
            said = self._said()
            await self._until(
                lambda: all(
                    len(talker.heard[room]) >= len(texts)
                    for room, texts in said.items()
                    for talker in self._members(room)
                )
            )

    async def compare(self, seconds: float = 60) -> None:
        """Hold all notes against each other and against history."""
        async with asyncio.timeout(seconds):
            for room, texts in self._said().items():
                members = self._members(room)
                order = [event.id for event in members[0].heard[room]]
                assert order == sorted(set(order)), "shown twice or out of order"
                assert len(order) == len(texts), "lost, or stored twice"
                for talker in members:
                    assert [event.id for event in talker.heard[room]] == order, talker.name
                    by_text = {event.text: event.id for event in talker.heard[room]}
                    assert texts == by_text, "acknowledged under another id"
                assert await _stored(members[0].login, room, len(order)) == order

    def _said(self) -> dict[str, dict[str, str]]:
        """Return what was acknowledged in each room, whoever said it."""
        said: dict[str, dict[str, str]] = {}
        for talker in self.talkers:
            for room, texts in talker.acknowledged.items():
                said.setdefault(room, {}).update(texts)
        return said

    def _members(self, room: str) -> list[Talker]:
        return [talker for talker in self.talkers if room in talker.rooms]

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._noted.clear()
            await self._noted.wait()

    def note(self) -> None:
        """Look again whether what is waited for has come."""
        self._noted.set()

    async def _talk(self, per_second: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number, talker in enumerate(itertools.cycle(self.talkers)):
            await self._until(lambda: len(self._sends) < per_second * _OUTSTANDING_SECONDS)
            room = talker.rooms[number % len(talker.rooms)]
            text = f"{talker.name} says {number}"
            send = self._group.create_task(talker.say(room, text, self.note))
            self._sends.add(send)
            send.add_done_callback(self._sends.discard)
            due = max(due + 1 / per_second, loop.time() - _CATCH_UP_SECONDS)
            await asyncio.sleep(max(0.0, due - loop.time()))


@asynccontextmanager
async def gathered(
    url: str, *, people: int, rooms: int = 1, chats: Sequence[str] = ()
) -> AsyncIterator[Crowd]:
    """Yield that many people at `url`, each in all the rooms, all of them listening.

    `chats` are WebSocket addresses, if not the usual one, which people take in turn.
    """
    async with AsyncExitStack() as stack:
        names = [f"p{number}-{secrets.token_hex(4)}" for number in range(people)]
        logins = [await _log_in(stack, url, name) for name in names]
        shared = [await _room(logins) for _ in range(rooms)]
        addresses = itertools.cycle(chats or [None])
        talkers = []
        for login, name in zip(logins, names, strict=True):
            chat = login.chat(settings=_PATIENT, url=next(addresses))
            await stack.enter_async_context(chat)
            talkers.append(Talker(login, name, chat, shared))
        async with asyncio.TaskGroup() as group:
            crowd = Crowd(talkers, group)
            listening = [
                group.create_task(
                    talker.listen(room, await talker.chat.subscribe(room), crowd.note)
                )
                for talker in talkers
                for room in shared
            ]
            yield crowd
            await crowd.hush()
            for task in listening:
                task.cancel()


async def _log_in(stack: AsyncExitStack, url: str, name: str) -> Login:
    account = await stack.enter_async_context(Account(url))
    await account.register(name, PASSWORD)
    return await account.login(name, PASSWORD)


async def _room(logins: Sequence[Login]) -> str:
    room = (await logins[0].create_room("마당")).id
    code = (await logins[0].invite(room)).code
    for login in logins[1:]:
        await login.accept(code)
    return room


async def _stored(login: Login, room: str, expected: int) -> list[str]:
    """Return the ids of the room's messages as history has them, once it has `expected`."""
    while True:
        found: list[str] = []
        before: str | None = None
        while True:
            page = await login.history(room, before=before, limit=_PAGE)
            said = [event.id for event in page.items if event.kind == "message.created"]
            found = [*said, *found]
            before = page.before
            if before is None:
                break
        if len(found) >= expected:
            return found
        await asyncio.sleep(0.1)
