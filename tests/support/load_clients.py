"""SDK clients that send in shared rooms at a steady rate, and the check of what they received.

Each client records which of its messages were acknowledged, under which id, and which messages it
received. `settle` waits until every client has received every message; `check` compares the records
with each other and with history.
"""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from madang_client import Account, Chat, ChatSettings, Event, Gap, Login, Subscription

PASSWORD = "correct horse battery"
_PAGE = 100
_OUTSTANDING_SECONDS = 3
_CATCH_UP_SECONDS = 0.5
"""Longest delay that the clients make up for by sending faster."""
_PATIENT = ChatSettings(
    receipt_seconds=10,
    backoff_base_seconds=0.1,
    backoff_cap_seconds=1,
    unavailable_attempts=10_000,
    unconfirmed_sends=2_000,
    queue_events=10_000,
)
"""Reconnects soon, and never gives up."""


@dataclass
class LoadClient:
    """One user with one connection, and the record of what they sent and received."""

    login: Login
    name: str
    chat: Chat
    rooms: Sequence[str]
    acknowledged: dict[str, dict[str, str]] = field(default_factory=dict)
    """By room: the id under which each text was acknowledged."""
    received: dict[str, list[Event]] = field(default_factory=dict)
    """By room: messages in the order in which they came."""
    gaps: dict[str, list[str | None]] = field(default_factory=dict)
    """By room: the ids after which it was told that events may be missing."""
    may_miss: bool = False
    """Whether that may happen."""
    longest_silence: float = 0.0
    """Seconds between two messages received one after the other."""

    async def say(self, room: str, text: str, changed: Callable[[], object]) -> None:
        """Send `text`, and record its id when it is acknowledged."""
        event_id = await self.chat.send(room, text)
        self.acknowledged.setdefault(room, {})[text] = event_id
        changed()

    async def listen(
        self, room: str, subscription: Subscription, changed: Callable[[], object]
    ) -> None:
        """Record the messages of `room`."""
        loop = asyncio.get_running_loop()
        received = self.received.setdefault(room, [])
        last = loop.time()
        async for item in subscription:
            if isinstance(item, Gap):
                assert self.may_miss, f"{self.name} received a gap: {item}"
                self.gaps.setdefault(room, []).append(item.after)
                changed()
            elif item.kind == "message.created":
                received.append(item)
                now = loop.time()
                self.longest_silence = max(self.longest_silence, now - last)
                last = now
                changed()


class LoadClients:
    """All clients; open them with `async with load_clients(...)`."""

    def __init__(self, members: Sequence[LoadClient], group: asyncio.TaskGroup) -> None:
        self.members = members
        self._group = group
        self._sends: set[asyncio.Task[None]] = set()
        self._noted = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None

    @property
    def acknowledged(self) -> int:
        """Messages acknowledged so far."""
        return sum(len(texts) for client in self.members for texts in client.acknowledged.values())

    @property
    def sent(self) -> int:
        """Messages sent so far, acknowledged or not."""
        return self.acknowledged + len(self._sends)

    def send_at_rate(self, per_second: float) -> None:
        """Send `per_second` messages in all, by the clients in turn, until `stop_sending`.

        Sending pauses while more than a few seconds' worth is not acknowledged.
        """
        self._sending = self._group.create_task(self._send_at_rate(per_second))

    async def say(self, client: LoadClient, room: str, text: str) -> None:
        """Send `text` as `client`; return when it is acknowledged."""
        await client.say(room, text, self.note)

    async def stop_sending(self) -> None:
        """Send nothing more."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def acknowledge(self, more: int) -> None:
        """Return when `more` messages than now are acknowledged."""
        goal = self.acknowledged + more
        await self._until(lambda: self.acknowledged >= goal)

    async def all_acknowledged(self) -> None:
        """Return when every message that was sent is acknowledged."""
        await asyncio.gather(*self._sends)

    async def receive(self, room: str, message: str, seconds: float = 60) -> None:
        """Return when every client has received `message` of `room`."""
        async with asyncio.timeout(seconds):
            await self._until(
                lambda: all(
                    client.received[room] and client.received[room][-1].id >= message
                    for client in self._members(room)
                )
            )

    async def settle(self, seconds: float = 60) -> None:
        """Return when every message is acknowledged, and received by every client."""
        async with asyncio.timeout(seconds):
            await self.all_acknowledged()
            said = self.acknowledged_by_room()
            await self._until(
                lambda: all(
                    len(client.received[room]) >= len(texts)
                    for room, texts in said.items()
                    for client in self._members(room)
                )
            )

    async def check(self, seconds: float = 60) -> None:
        """Compare the records with each other and with history."""
        async with asyncio.timeout(seconds):
            for room, texts in self.acknowledged_by_room().items():
                members = self._members(room)
                order = [event.id for event in members[0].received[room]]
                assert order == sorted(set(order)), "shown twice or out of order"
                assert len(order) == len(texts), "lost, or stored twice"
                for client in members:
                    assert [event.id for event in client.received[room]] == order, client.name
                    by_text = {event.text: event.id for event in client.received[room]}
                    assert texts == by_text, "acknowledged under another id"
                found = await stored_messages(members[0].login, room, len(order))
                assert [event.id for event in found] == order

    def acknowledged_by_room(self) -> dict[str, dict[str, str]]:
        """Return the acknowledged messages of each room, over all clients."""
        said: dict[str, dict[str, str]] = {}
        for client in self.members:
            for room, texts in client.acknowledged.items():
                said.setdefault(room, {}).update(texts)
        return said

    def _members(self, room: str) -> list[LoadClient]:
        return [client for client in self.members if room in client.rooms]

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._noted.clear()
            await self._noted.wait()

    def note(self) -> None:
        """Check the awaited condition again."""
        self._noted.set()

    async def _send_at_rate(self, per_second: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number, client in enumerate(itertools.cycle(self.members)):
            await self._until(lambda: len(self._sends) < per_second * _OUTSTANDING_SECONDS)
            room = client.rooms[number % len(client.rooms)]
            text = f"{client.name} says {number}"
            send = self._group.create_task(client.say(room, text, self.note))
            self._sends.add(send)
            send.add_done_callback(self._sends.discard)
            due = max(due + 1 / per_second, loop.time() - _CATCH_UP_SECONDS)
            await asyncio.sleep(max(0.0, due - loop.time()))


@asynccontextmanager
async def load_clients(
    url: str,
    *,
    people: int,
    rooms: int = 1,
    chats: Sequence[str] = (),
    may_miss: bool = False,
) -> AsyncIterator[LoadClients]:
    """Yield that many people at `url`, each in all the rooms, all of them listening.

    `chats` are WebSocket addresses, if not the usual one, which people take in turn. Unless they
    `may_miss` events, it is an error if they are told so.
    """
    async with AsyncExitStack() as stack:
        names = [f"p{number}-{secrets.token_hex(4)}" for number in range(people)]
        logins = [await _log_in(stack, url, name) for name in names]
        shared = [await _room(logins) for _ in range(rooms)]
        addresses = itertools.cycle(chats or [None])
        members = []
        for login, name in zip(logins, names, strict=True):
            chat = login.chat(settings=_PATIENT, url=next(addresses))
            await stack.enter_async_context(chat)
            members.append(LoadClient(login, name, chat, shared, may_miss=may_miss))
        async with asyncio.TaskGroup() as group:
            clients = LoadClients(members, group)
            listening = [
                group.create_task(
                    client.listen(room, await client.chat.subscribe(room), clients.note)
                )
                for client in members
                for room in shared
            ]
            yield clients
            await clients.stop_sending()
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


async def stored_messages(login: Login, room: str, least: int) -> list[Event]:
    """Return the room's messages as history has them, oldest first, once it has `least`."""
    while True:
        found: list[Event] = []
        before: str | None = None
        while True:
            page = await login.history(room, before=before, limit=_PAGE)
            found = [event for event in page.items if event.kind == "message.created"] + found
            before = page.before
            if before is None:
                break
        if len(found) >= least:
            return found
        await asyncio.sleep(0.1)
