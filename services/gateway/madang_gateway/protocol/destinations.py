"""What a destination means: one pattern per meaning, design section 5."""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from madang_common.events.envelope import room_audience, user_audience
from madang_common.ids import ROOM_ID

_ROOM = rf"(?P<room>{ROOM_ID})"
_TOPIC = re.compile(rf"/topic/rooms\.{_ROOM}(?P<live>\.live)?")
_APP = re.compile(rf"/app/rooms\.{_ROOM}\.(?P<action>send|typing|read)")

_LONGEST = 100
"""Characters of the longest destination that means something, and a few more."""

LIVE_SUFFIX = ".live"
ERRORS = "/user/queue/errors"
EVENTS = "/user/queue/events"
TOKEN = "/app/token"  # noqa: S105 - a destination


class Action(Enum):
    """What a SEND asks for."""

    MESSAGE = "send"
    TYPING = "typing"
    READ = "read"
    ENTER = "enter"
    QUIT = "quit"
    TOKEN = "token"  # noqa: S105 - an action


_ACTIONS = {action.value: action for action in (Action.MESSAGE, Action.TYPING, Action.READ)}


class Source(Enum):
    """What a SUBSCRIBE asks for."""

    ROOM = "room"
    ROOM_LIVE = "room live"
    USER = "user"
    ERRORS = "errors"


class SendTarget(NamedTuple):
    """Where a SEND goes."""

    action: Action
    room: str = ""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a SUBSCRIBE follows; `audience` names it in the hub."""

    source: Source
    audience: str
    room: str = ""


def send_target(destination: str) -> SendTarget | None:
    """Return the meaning of a SEND's destination, or None if it has none."""
    return _send_target(destination) if len(destination) <= _LONGEST else None


@lru_cache(maxsize=8192)
def _send_target(destination: str) -> SendTarget | None:
    if destination == TOKEN:
        return SendTarget(Action.TOKEN)
    found = _APP.fullmatch(destination)
    return found and SendTarget(_ACTIONS[found["action"]], found["room"])


def topic(destination: str, user: str) -> Topic | None:
    """Return the meaning of a SUBSCRIBE's destination for `user`, or None if it has none."""
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
