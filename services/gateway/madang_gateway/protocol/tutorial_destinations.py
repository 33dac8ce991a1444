"""Destinations and bodies of the common chat tutorials, so that their clients work unchanged.

Two families, sent to and followed at:

- `/pub/chat/message` and `/sub/chat/room/{room}`
- `/pub/chat.message.{room}` and `/exchange/chat.exchange/room.{room}`

with the body `{type: ENTER|TALK|QUIT, roomId, sender, message, userCount}`. Every tutorial varies
them: other words for the action, in the destination or as the type, the room in either of them,
ids that are numbers, other names of fields. A SEND below `/pub/chat` that has no meaning here is
ignored, because these clients do not expect an ERROR. A client's `sender` is not believed: the name
is the token's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from madang_common.events.envelope import Event
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
_LONGEST = 100
"""Longest destination that is read; none with a meaning is longer."""


class Type(StrEnum):
    """What a tutorial's message is about."""

    ENTER = "ENTER"
    TALK = "TALK"
    QUIT = "QUIT"


_ACTIONS = {Type.ENTER: Action.ENTER, Type.TALK: Action.MESSAGE, Type.QUIT: Action.QUIT}
_TYPES = {
    "message.created": Type.TALK,
    "presence.entered": Type.ENTER,
    "presence.quit": Type.QUIT,
    "member.joined": Type.ENTER,
    "member.left": Type.QUIT,
    "member.removed": Type.QUIT,
    "member.banned": Type.QUIT,
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
"""Words that tutorials use for each type, in destinations and in bodies."""
_TYPE_FIELDS = ("type", "messagetype", "msgtype")
_ROOM_FIELDS = ("roomid", "chatroomid", "room", "chatroom")
_TEXT_FIELDS = ("message", "content", "contents", "msg", "text")


def is_send(destination: str) -> bool:
    """Tell whether a SEND's destination is a tutorial's."""
    return destination == _SEND or destination.startswith((f"{_SEND}/", f"{_SEND}."))


def read_send(destination: str, body: bytes) -> tuple[SendTarget | None, str]:
    """Return the target of a tutorial's SEND, and its text; None if it has no meaning here."""
    found, fields = _read_destination(destination), _read_body(body)
    if found is None or fields is None:
        return None, ""
    kind, room = found
    said = _first(fields, _TYPE_FIELDS).strip()
    if said:
        known = _WORDS.get(said.lower())
        if known is None:
            return None, ""
        kind = known
    room = room or _first(fields, _ROOM_FIELDS)
    text = _first(fields, _TEXT_FIELDS) if kind is Type.TALK else ""
    if not _IS_ROOM.fullmatch(room) or (kind is Type.TALK and not text):
        return None, ""
    return SendTarget(_ACTIONS[kind], room), text


def _read_destination(destination: str) -> tuple[Type, str] | None:
    """Return the type and the room in a destination, which a body may override."""
    if len(destination) > _LONGEST:
        return None
    parts = _SEPARATOR.split(destination.removeprefix(_SEND))[1:]
    words = [_WORDS[part.lower()] for part in parts if part.lower() in _WORDS]
    rooms = [part for part in parts if part.lower() not in _WORDS]
    if len(words) > 1 or len(rooms) > 1 or "" in rooms:
        return None
    if rooms and not words and rooms[0].isalpha():
        # An unknown word: the id of a room has digits in it, because it begins with the time.
        return None
    return (words or [Type.TALK])[0], (rooms or [""])[0]


def _read_body(body: bytes) -> Mapping[str, Any] | None:
    """Return the fields of a JSON object, their names in lower case and without underscores."""
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
    """Return the first of the fields `names` that has text or a whole number, or nothing."""
    for name in names:
        value = fields.get(name)
        if type(value) is int:
            return str(value)
        if isinstance(value, str) and value:
            return value
    return ""


def room_of_topic(destination: str) -> str | None:
    """Return the room that a tutorial's SUBSCRIBE is for, or None if it is none."""
    for pattern in _TOPICS:
        found = pattern.fullmatch(destination)
        if found:
            return found[1]
    return None


@dataclass(frozen=True, slots=True)
class TutorialBody:
    """Writes events as tutorials expect them."""

    entered: str
    """Text of an ENTER, with `{name}` for who entered, quoted if it could read as more."""
    quit: str
    """Text of a QUIT, with `{name}` for who left."""

    def __call__(self, event: Event, present: int) -> bytes | None:
        """Return the body for `event`, or None for what tutorials do not know."""
        kind = _TYPES.get(event.kind)
        if kind is None or event.data.get("removed") is False:
            # The latter: somebody was banned who was not here.
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
