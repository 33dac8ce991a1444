"""Destinations and bodies of the common chat tutorials, so that their clients work unchanged.

Two families, sent to and followed at:

- `/pub/chat/message` and `/sub/chat/room/{room}`
- `/pub/chat.message.{room}` and `/exchange/chat.exchange/room.{room}`

with the body `{type: ENTER|TALK|QUIT, roomId, sender, message, userCount}`. What a client claims
as `sender` is not believed: the name is the token's.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from madang_common.events.envelope import Event
from madang_common.problems import InvalidBody
from madang_gateway.destinations import Action, SendTarget

_ROOM = r"([A-Za-z0-9_-]{1,64})"
_SEND = "/pub/chat/message"
_SEND_TO_ROOM = re.compile(rf"/pub/chat\.message\.{_ROOM}")
_TOPICS = (
    re.compile(rf"/sub/chat/room/{_ROOM}"),
    re.compile(rf"/exchange/chat\.exchange/room\.{_ROOM}"),
)


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


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: Type = Type.TALK
    room: str | None = Field(default=None, alias="roomId", pattern=rf"^{_ROOM}$")
    message: str = ""


def is_send(destination: str) -> bool:
    """Tell whether a SEND's destination is a tutorial's."""
    return destination == _SEND or _SEND_TO_ROOM.fullmatch(destination) is not None


def read_send(destination: str, body: bytes) -> tuple[SendTarget, str]:
    """Return what a tutorial's SEND asks for, and its text; raise InvalidBody if it is unclear."""
    try:
        said = _Body.model_validate_json(body)
    except ValidationError as error:
        raise InvalidBody("expected {type, roomId, message}") from error
    found = _SEND_TO_ROOM.fullmatch(destination)
    room = found[1] if found else said.room
    if room is None:
        raise InvalidBody("roomId is missing")
    return SendTarget(_ACTIONS[said.type], room), said.message


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
    """Text of an ENTER, with `{name}` for who entered."""
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
            text = (self.entered if kind is Type.ENTER else self.quit).replace("{name}", name)
        return orjson.dumps(
            {
                "type": kind,
                "roomId": event.room,
                "sender": name,
                "message": text,
                "userCount": present,
            }
        )
