"""Parses destinations.

| SEND | requests |
| --- | --- |
| `/app/rooms.{room}.send` | a message |
| `/app/rooms.{room}.edit`, `.delete` | a change of a message |
| `/app/rooms.{room}.react`, `.unreact` | a reaction to a message, or its removal |
| `/app/rooms.{room}.pin`, `.unpin` | a message to be pinned to the room, or unpinned |
| `/app/rooms.{room}.typing`, `.read` | a live event |
| `/app/token` | a new token for the session |

| SUBSCRIBE | receives |
| --- | --- |
| `/topic/rooms.{room}` | the room's events |
| `/topic/rooms.{room}.live` | the room's live events |
| `/user/queue/events` | the user's own events |
| `/user/queue/errors` | refusals of this session's frames |
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from madang_common.events.envelope import room_audience, user_audience
from madang_common.ids import ROOM_ID

_ROOM = rf"(?P<room>{ROOM_ID})"
_TOPIC = re.compile(rf"/topic/rooms\.{_ROOM}(?P<live>\.live)?")

_MAX_LENGTH = 100
"""Longest destination that is parsed, in characters; longer than any that is known."""

LIVE_SUFFIX = ".live"
ERRORS = "/user/queue/errors"
EVENTS = "/user/queue/events"
TOKEN = "/app/token"  # noqa: S105 - a destination


class Action(Enum):
    """The action that a SEND requests."""

    MESSAGE = "send"
    EDIT = "edit"
    DELETE = "delete"
    REACT = "react"
    UNREACT = "unreact"
    PIN = "pin"
    UNPIN = "unpin"
    TYPING = "typing"
    READ = "read"
    ENTER = "enter"
    QUIT = "quit"
    TOKEN = "token"  # noqa: S105 - an action


_OTHER_DESTINATIONS = frozenset({Action.ENTER, Action.QUIT, Action.TOKEN})
ROOM_ACTIONS = {action.value: action for action in Action if action not in _OTHER_DESTINATIONS}
"""The action of a SEND to `/app/rooms.{room}.{name}`, by name."""
_APP = re.compile(rf"/app/rooms\.{_ROOM}\.(?P<action>{'|'.join(ROOM_ACTIONS)})")


class Source(Enum):
    """The kind of events that a SUBSCRIBE requests."""

    ROOM = "room"
    ROOM_LIVE = "room live"
    USER = "user"
    ERRORS = "errors"


class SendTarget(NamedTuple):
    """The target of a SEND."""

    action: Action
    room: str = ""


@dataclass(frozen=True, slots=True)
class Topic:
    """The target of a SUBSCRIBE; `audience` is its name in the hub."""

    source: Source
    audience: str
    room: str = ""


def send_target(destination: str) -> SendTarget | None:
    """Return the target of a SEND's destination, or None if there is no such destination."""
    return _send_target(destination) if len(destination) <= _MAX_LENGTH else None


def room_of_send(destination: str) -> str:
    """Return the room of a SEND's destination, or "" if it names none."""
    target = send_target(destination)
    return "" if target is None else target.room


@lru_cache(maxsize=8192)
def _send_target(destination: str) -> SendTarget | None:
    if destination == TOKEN:
        return SendTarget(Action.TOKEN)
    found = _APP.fullmatch(destination)
    return found and SendTarget(ROOM_ACTIONS[found["action"]], found["room"])


def topic(destination: str, user: str) -> Topic | None:
    """Return the topic of a SUBSCRIBE's destination, or None if there is no such destination."""
    if destination == EVENTS:
        return Topic(Source.USER, user_audience(user))
    if destination == ERRORS:
        return Topic(Source.ERRORS, "")
    found = _TOPIC.fullmatch(destination)
    if not found:
        return None
    if found["live"]:
        return Topic(Source.ROOM_LIVE, room_audience(found["room"]) + LIVE_SUFFIX, found["room"])
    return Topic(Source.ROOM, room_audience(found["room"]), found["room"])
