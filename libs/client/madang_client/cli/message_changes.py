"""Commands of `madang chat` that are about a message: `/edit`, `/delete`, `/react`, `/reply`."""

import re
from collections.abc import Awaitable, Callable
from itertools import islice

from madang_client.chat import Chat
from madang_client.cli.transcript import Transcript

HELP = (
    "/edit TEXT and /delete change your last message; "
    "/react EMOJI [NUMBER] and /reply NUMBER TEXT are about any message here, 1 is the last"
)

MessageChange = Callable[[Chat], Awaitable[str]]
"""Sends a change and returns the id of its event."""

_NUMBER = re.compile(r"[1-9][0-9]{0,5}")


class Misused(Exception):  # noqa: N818 - reads as what happened
    """A command was typed that cannot be done."""


class MessageChanges:
    """Reads the commands of one room, about the messages of a transcript."""

    def __init__(self, room: str, user: str, transcript: Transcript) -> None:
        self._room = room
        self._user = user
        self._transcript = transcript
        self._commands: dict[str, Callable[[str], MessageChange]] = {
            "/edit": self._edit,
            "/delete": self._delete,
            "/react": self._react,
            "/reply": self._reply,
        }

    def includes(self, line: str) -> bool:
        """Return whether `line` is one of the commands."""
        return line.partition(" ")[0] in self._commands

    def read(self, line: str) -> MessageChange:
        """Return the change that a command stands for now; raise Misused."""
        name, _, rest = line.partition(" ")
        return self._commands[name](rest.strip())

    def _edit(self, text: str) -> MessageChange:
        if not text:
            raise Misused("give the new text: /edit TEXT")
        message = self._own_last()
        return lambda chat: chat.edit(self._room, message, text)

    def _delete(self, rest: str) -> MessageChange:
        if rest:
            raise Misused("/delete deletes your last message, and takes nothing else")
        message = self._own_last()
        return lambda chat: chat.delete(self._room, message)

    def _react(self, rest: str) -> MessageChange:
        emoji, _, number = rest.partition(" ")
        if not emoji:
            raise Misused("give an emoji: /react EMOJI [NUMBER]")
        message = self._numbered(number.strip() or "1")
        return lambda chat: chat.react(self._room, message, emoji)

    def _reply(self, rest: str) -> MessageChange:
        number, _, text = rest.partition(" ")
        if not text.strip():
            raise Misused("give a number and the text: /reply NUMBER TEXT")
        message = self._numbered(number)
        return lambda chat: chat.reply(self._room, message, text.strip())

    def _own_last(self) -> str:
        for message in self._transcript.newest_first():
            if message.sender == self._user:
                return message.id
        raise Misused("none of the messages here is yours")

    def _numbered(self, number: str) -> str:
        """Return the id of a message, counted back from the last one, which is 1."""
        if _NUMBER.fullmatch(number):
            for message in islice(self._transcript.newest_first(), int(number) - 1, None):
                return message.id
        raise Misused("there is no message with this number; 1 is the last one")
