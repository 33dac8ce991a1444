"""Destinations and bodies of the common chat tutorials, whose clients work unchanged.

There are two families, for SEND and SUBSCRIBE:

- `/pub/chat/message` and `/sub/chat/room/{room}`
- `/pub/chat.message.{room}` and `/exchange/chat.exchange/room.{room}`

with the body `{type: ENTER|TALK|QUIT, roomId, sender, message, userCount}`. Tutorials vary: the
words for the action, the names of fields and the form of ids differ, and the action and the room
may be in the destination or in the body. An unknown SEND below `/pub/chat` is ignored, because
these clients do not expect an ERROR. The `sender` of a body is ignored; the name is that of the
token.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from madang_common.events.data import MembershipChange
from madang_common.events.envelope import Event
from madang_common.events.kinds import MEMBERSHIP_CHANGES, PresenceEntered, PresenceQuit
from madang_common.events.message_kinds import MessageCreated
from madang_common.events.redaction import is_redacted
from madang_common.ids import ROOM_ID
from madang_gateway.protocol.destinations import Action, SendTarget
from madang_gateway.protocol.display_names import set_apart

_ROOM = f"({ROOM_ID})"
_IS_ROOM = re.compile(ROOM_ID)
_SEND = "/pub/chat"
_SEPARATOR = re.compile(r"[./]")
_TOPICS = (
    re.compile(rf"/sub/chat/room/{_ROOM}"),
    re.compile(rf"/exchange/chat\.exchange/room\.{_ROOM}"),
)
_MAX_LENGTH = 100
"""Characters of the longest destination that is parsed."""


class Type(StrEnum):
    """The type of a tutorial's message."""

    ENTER = "ENTER"
    TALK = "TALK"
    QUIT = "QUIT"


_ACTIONS = {Type.ENTER: Action.ENTER, Type.TALK: Action.MESSAGE, Type.QUIT: Action.QUIT}
_TYPE_OF_CHANGE = {MembershipChange.BEGINS: Type.ENTER, MembershipChange.ENDS: Type.QUIT}
_TYPES = {
    MessageCreated.kind: Type.TALK,
    PresenceEntered.kind: Type.ENTER,
    PresenceQuit.kind: Type.QUIT,
} | {
    kind: _TYPE_OF_CHANGE[change]
    for kind, change in MEMBERSHIP_CHANGES.items()
    if change in _TYPE_OF_CHANGE
}
_WORDS = {
    word: kind
    for kind, words in {
        Type.ENTER: "enter enteruser join joinuser joinroom",
        Type.TALK: "talk chat message text send sendmessage",
        Type.QUIT: "quit leave leaveuser leaveroom exit exituser out",
    }.items()
    for word in words.split()
}
"""The words of the tutorials for each type, in destinations and in bodies."""
_TYPE_FIELDS = ("type", "messagetype", "msgtype")
_ROOM_FIELDS = ("roomid", "chatroomid", "room", "chatroom")
_TEXT_FIELDS = ("message", "content", "contents", "msg", "text")


def is_send(destination: str) -> bool:
    """Return whether a SEND's destination belongs to a tutorial."""
    return destination == _SEND or destination.startswith((f"{_SEND}/", f"{_SEND}."))


def read_send(destination: str, body: bytes) -> tuple[SendTarget | None, str]:
    """Return the target of a tutorial's SEND, None if it is unknown, and the text."""
    found, fields = _read_destination(destination), _read_body(body)
    if found is None or fields is None:
        return None, ""
    kind, room = found
    word = _first(fields, _TYPE_FIELDS).strip()
    if word:
        known = _WORDS.get(word.lower())
        if known is None:
            return None, ""
        kind = known
    room = room or _first(fields, _ROOM_FIELDS)
    text = _first(fields, _TEXT_FIELDS) if kind is Type.TALK else ""
    if not _IS_ROOM.fullmatch(room) or (kind is Type.TALK and not text):
        return None, ""
    return SendTarget(_ACTIONS[kind], room), text


def _read_destination(destination: str) -> tuple[Type, str] | None:
    """Return the type and the room of a destination; the body may override both."""
    if len(destination) > _MAX_LENGTH:
        return None
    parts = _SEPARATOR.split(destination.removeprefix(_SEND))[1:]
    words = [_WORDS[part.lower()] for part in parts if part.lower() in _WORDS]
    rooms = [part for part in parts if part.lower() not in _WORDS]
    if len(words) > 1 or len(rooms) > 1 or "" in rooms:
        return None
    if rooms and not words and rooms[0].isalpha():
        # An unknown word: a room's id contains digits, because it begins with the time.
        return None
    return (words or [Type.TALK])[0], (rooms or [""])[0]


def _read_body(body: bytes) -> Mapping[str, Any] | None:
    """Return the fields of a JSON object, with names in lower case and without underscores."""
    if not body.strip():
        return {}
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    return {name.replace("_", "").lower(): value for name, value in document.items()}


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the first of the fields `names` with text or a whole number, else an empty text."""
    for name in names:
        value = fields.get(name)
        if type(value) is int:
            return str(value)
        if isinstance(value, str) and value:
            return value
    return ""


def room_of_topic(destination: str) -> str | None:
    """Return the room of a tutorial's SUBSCRIBE, or None if the destination is not a tutorial's."""
    for pattern in _TOPICS:
        found = pattern.fullmatch(destination)
        if found:
            return found[1]
    return None


@dataclass(frozen=True, slots=True)
class TutorialBody:
    """Maps events to the bodies that tutorials expect."""

    entered: str
    """Text of an ENTER; `{name}` is the user's name, quoted if it could be mistaken for text."""
    quit: str
    """Text of a QUIT; `{name}` is the user's name."""

    def __call__(self, event: Event, present: int) -> bytes | None:
        """Return the body of `event`, or None if tutorials have no such event."""
        kind = _TYPES.get(event.kind)
        if kind is None or event.data.get("removed") is False or is_redacted(event):
            # Not removed: the banned user was not a member.
            return None
        name = str(event.data.get("name") or event.sender_name)
        if kind is Type.TALK:
            text = event.data.get("text", "")
        else:
            template = self.entered if kind is Type.ENTER else self.quit
            text = template.replace("{name}", set_apart(name))
        return orjson.dumps(
            {
                "type": kind,
                "roomId": event.room,
                "sender": name,
                "message": text,
                "userCount": present,
            }
        )
