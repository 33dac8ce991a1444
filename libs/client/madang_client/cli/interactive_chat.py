"""`madang chat`: shows a room's messages live, and sends typed lines."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from madang_client.chat import Change, Chat, Connected, Lost
from madang_client.cli.message_changes import HELP, MessageChange, MessageChanges, Misused
from madang_client.cli.names import listed
from madang_client.cli.plain import plain
from madang_client.cli.screen import Screen
from madang_client.cli.transcript import Transcript
from madang_client.errors import MadangError, NotReachable, Refused, TooManyRequests
from madang_client.event import Event, Gap
from madang_client.login import Login
from madang_client.page import Page
from madang_client.room import Room
from madang_client.subscription import Subscription
from madang_client.task_group import run_together

_FLUSH_SECONDS = 10.0
_MAX_UNSENT = 100
_REMOVALS = frozenset({"member.left", "member.removed", "member.banned"})
_HELP = (
    "/more shows older messages, /who who is here, /quit leaves; // begins a message with a slash; "
    f"{HELP}"
)
_SHOWN_PEOPLE = 50


class NotSent(MadangError):  # noqa: N818 - reads as what happened
    """Some messages were not stored before the exit."""


class Removed(MadangError):  # noqa: N818 - reads as what happened
    """The user is no longer a member."""


class InteractiveChat:
    """One room in a terminal."""

    def __init__(
        self, login: Login, room: Room, *, screen: Screen, lines: AsyncIterator[str], shown: int
    ) -> None:
        """Show the last `shown` events at the start, and as many for each `/more`."""
        self._login = login
        self._room = room
        self._screen = screen
        self._lines = lines
        self._page_size = shown
        self._older: str | None = None
        self._last_shown = ""
        self._last_sent = ""
        self._unsent: deque[str] = deque()
        self._transcript = Transcript()
        self._changes = MessageChanges(room.id, login.user, self._transcript)
        self._state_changed = asyncio.Condition()
        self._quitting = False
        self._reconnected = False
        self._is_lost = False

    async def run(self) -> None:
        """Run until the user quits; raise any other reason for the end."""
        page = await self._newest()
        self._remark(f"{listed(self._room.name)} - {_HELP}")
        async with self._login.chat(on_change=self._changed) as chat:
            since = page.items[-1].id if page.items else None
            events = await chat.subscribe(self._room.id, since)
            if since is None:
                page = await self._newest()  # messages sent meanwhile
            self._older = page.before
            for event in page.items:
                self._show(event)
            await self._run_until_quit(chat, events)

    async def _run_until_quit(self, chat: Chat, events: Subscription) -> None:
        with suppress(_Quit):
            await run_together(self._read(events), self._send(chat), self._read_input())

    async def _read_input(self) -> None:
        await self._handle_lines()
        self._quitting = True
        try:
            async with asyncio.timeout(_FLUSH_SECONDS), self._state_changed:
                await self._state_changed.wait_for(self._is_flushed)
        except TimeoutError:
            if self._unsent:
                raise NotSent(f"{len(self._unsent)} messages were not sent") from None
        raise _Quit

    def _is_flushed(self) -> bool:
        return not self._unsent and self._last_shown >= self._last_sent

    async def _handle_lines(self) -> None:
        async for typed in self._lines:
            line = typed.rstrip("\r\n")
            if line == "/quit":
                return
            if line == "/more":
                await self._more()
            elif line == "/who":
                await self._who()
            elif self._is_unknown(line):
                self._remark(_HELP)
            elif line.strip():
                await self._queue(line)

    def _is_unknown(self, line: str) -> bool:
        is_command = line.startswith("/") and not line.startswith("//")
        return is_command and not self._changes.includes(line)

    async def _queue(self, line: str) -> None:
        async with self._state_changed:
            await self._state_changed.wait_for(lambda: len(self._unsent) < _MAX_UNSENT)
            self._unsent.append(line)
            self._state_changed.notify_all()

    async def _send(self, chat: Chat) -> None:
        while True:
            async with self._state_changed:
                await self._state_changed.wait_for(lambda: self._unsent)
            sent = await self._send_one(chat, self._unsent[0])
            async with self._state_changed:
                self._unsent.popleft()
                self._last_sent = max(sent, self._last_sent)
                self._state_changed.notify_all()

    async def _send_one(self, chat: Chat, line: str) -> str:
        try:
            change = await self._read_change(line)
            while True:
                try:
                    return await change(chat)
                except TooManyRequests as error:
                    await asyncio.sleep(error.retry_after_seconds or 1.0)
        except (Refused, Misused) as error:
            self._screen.remark(f"not sent: {plain(line)} ({plain(str(error))})")
            return ""

    async def _read_change(self, line: str) -> MessageChange:
        if not self._changes.includes(line):
            text = line.removeprefix("/") if line.startswith("//") else line
            return lambda chat: chat.send(self._room.id, text)
        async with self._state_changed:
            # The command may be about a message that was sent before it.
            await self._state_changed.wait_for(lambda: self._last_shown >= self._last_sent)
        return self._changes.read(line)

    async def _read(self, events: Subscription) -> None:
        async for item in events:
            if isinstance(item, Gap):
                self._remark("some messages are missing here: the server no longer has them")
            elif item.id > self._last_shown:
                async with self._state_changed:
                    # At the start, events after the page of history do not count as missed.
                    self._show(replace(item, missed=item.missed and self._reconnected))
                    self._state_changed.notify_all()
                self._check_membership(item)

    def _check_membership(self, event: Event) -> None:
        is_removal = event.kind in _REMOVALS and not event.missed
        if is_removal and event.data.get("user") == self._login.user:
            raise Removed("you are no longer in this room")

    async def _more(self) -> None:
        if self._older is None:
            self._remark("there is nothing older")
            return
        try:
            page = await self._login.history(
                self._room.id, limit=self._page_size, before=self._older
            )
        except (NotReachable, Refused) as error:
            self._remark(f"no older messages now: {plain(str(error))}")
            return
        self._older = page.before
        self._remark("older:")
        older = Transcript()
        for event in page.items:
            self._screen.say(older.line(event, _now()), "dim")
        self._remark("end of older")

    async def _who(self) -> None:
        names: list[str] = []
        try:
            async for person in self._login.present(self._room.id):
                if len(names) == _SHOWN_PEOPLE:
                    names.append("and others")
                    break
                names.append(listed(person.name))
        except (NotReachable, Refused) as error:
            self._remark(f"nobody can tell who is here now: {plain(str(error))}")
            return
        self._remark(f"here: {', '.join(names) or 'nobody'}")

    async def _newest(self) -> Page:
        return await self._login.history(self._room.id, limit=self._page_size)

    def _show(self, event: Event) -> None:
        self._last_shown = event.id
        own = event.sender == self._login.user
        self._screen.say(self._transcript.line(event, _now()), _style(event, own=own))

    def _changed(self, change: Change) -> None:
        match change:
            case Connected(again=True):
                self._reconnected, self._is_lost = True, False
                self._remark("connected again")
            case Lost(reason) if not self._is_lost and not self._quitting:
                self._is_lost = True
                self._remark(f"connection lost ({plain(reason)}): trying again until it is back")

    def _remark(self, sentence: str) -> None:
        self._screen.say(f"-- {sentence}", "cyan")


class _Quit(Exception):  # noqa: N818 - not an error: ends the other tasks
    """The user quit."""


def _style(event: Event, *, own: bool) -> str:
    if event.missed:
        return "yellow"
    if event.kind != "message.created":
        return "dim"
    return "green" if own else ""


def _now() -> datetime:
    return datetime.now().astimezone()
