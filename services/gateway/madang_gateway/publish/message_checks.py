"""The checks of a message's content and of the messages that a send names."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

from typing_extensions import override

from madang_common.access import Access
from madang_common.clock import Clock
from madang_common.events.message_kinds import MessageCreated
from madang_common.tokens.claims import Claims
from madang_fold import Message
from madang_gateway.backends.memberships import Memberships
from madang_gateway.messages.lookup import Messages
from madang_gateway.messages.rules import Change, Rules
from madang_gateway.publish.command import SendCommand
from madang_gateway.publish.interceptors import Interceptor
from madang_gateway.publish.meta import check_meta


@dataclass(frozen=True, slots=True)
class Content(Interceptor):
    """`meta` is within its limits; the messages in `reply_to` and `thread` exist in the room.

    A reply to a message in a thread goes to the root of that thread. Both hold for ever, so a
    repeated send passes too, and has the same data.
    """

    messages: Messages

    @override
    def __call__(self, claims: Claims, command: SendCommand) -> Awaitable[None] | None:
        data = command.data
        if len(data) == 1:  # most messages
            return None
        if "meta" in data:
            check_meta(data["meta"], command.body)
        if command.kind != MessageCreated.kind or not ("reply_to" in data or "thread" in data):
            return None
        found = {}
        for message in _references(command):
            state = self.messages.known(command.room, message)
            if state is None:
                return self._load(command)
            found[message] = state
        _normalise(command, found)
        return None

    async def _load(self, command: SendCommand) -> None:
        found = {
            message: await self.messages.get(command.room, message)
            for message in _references(command)
        }
        _normalise(command, found)


def _references(command: SendCommand) -> list[str]:
    return [command.data[name] for name in ("reply_to", "thread") if name in command.data]


def _normalise(command: SendCommand, found: Mapping[str, Message]) -> None:
    """Put the root of the thread into the command if `thread` names a message in a thread."""
    named = found.get(command.data.get("thread", ""))
    if named is not None and named.thread is not None:
        command.data = {**command.data, "thread": named.thread}


@dataclass(frozen=True, slots=True)
class ChangeAllowed(Interceptor):
    """The user may make the change, of a kind in CHANGES, to the message that it names."""

    messages: Messages
    memberships: Memberships
    rules: Rules
    clock: Clock

    @override
    def __call__(self, claims: Claims, command: SendCommand) -> Awaitable[None] | None:
        message = self.messages.known(command.room, command.data["message"])
        access = self.memberships.known(claims.subject, command.room)
        if message is None or access is None:
            return self._load(claims, command)
        self._check(claims, command, message, access)
        return None

    async def _load(self, claims: Claims, command: SendCommand) -> None:
        message = await self.messages.get(command.room, command.data["message"])
        access = await self.memberships.get(claims.subject, command.room)
        self._check(claims, command, message, access)

    def _check(
        self, claims: Claims, command: SendCommand, message: Message, access: Access
    ) -> None:
        now = self.clock()
        change = Change(command.kind, command.data, claims.subject, access.role, now)
        self.rules.check(change, message)
