"""The command to send an event to a room, from a SEND or a REST request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import orjson
from pydantic import BaseModel, ValidationError

from madang_common.events.data import Data
from madang_common.events.kinds import PresenceEntered, PresenceQuit, RoomRead, RoomTyping, document
from madang_common.events.message_kinds import (
    MessageCreated,
    MessageDeleted,
    MessageEdited,
    MessagePinned,
    MessageUnpinned,
    ReactionAdded,
    ReactionRemoved,
)
from madang_common.http.bearer import bearer_token
from madang_common.http.field_errors import field_errors, sentence
from madang_common.ids import next_id
from madang_common.problems import MAX_ERRORS, InvalidBody, InvalidRequest, NotFound
from madang_gateway.protocol import tutorial_destinations
from madang_gateway.protocol.destinations import Action, SendTarget, send_target
from madang_gateway.protocol.stomp.events import Send
from madang_gateway.protocol.stomp.serializer import OWN_HEADERS, is_own
from madang_gateway.publish.bodies import (
    DeleteMessage,
    EditMessage,
    NewMessage,
    Pin,
    Reaction,
    content,
)

KEY_LENGTH = 64
_FORWARDED_BYTES = 4096
_MAX_FIELDS = 16
_JSON = "application/json"
_TEXT = "text/"


class ActionEvent(NamedTuple):
    """The event that an action publishes."""

    data: type[Data]
    body: type[BaseModel]
    """The body that requests it."""

    @property
    def kind(self) -> str:
        """The event's kind."""
        return self.data.kind


ACTION_EVENTS: Mapping[Action, ActionEvent] = {
    Action.MESSAGE: ActionEvent(MessageCreated, NewMessage),
    Action.EDIT: ActionEvent(MessageEdited, EditMessage),
    Action.DELETE: ActionEvent(MessageDeleted, DeleteMessage),
    Action.REACT: ActionEvent(ReactionAdded, Reaction),
    Action.UNREACT: ActionEvent(ReactionRemoved, Reaction),
    Action.PIN: ActionEvent(MessagePinned, Pin),
    Action.UNPIN: ActionEvent(MessageUnpinned, Pin),
    Action.TYPING: ActionEvent(RoomTyping, RoomTyping),
    Action.READ: ActionEvent(RoomRead, RoomRead),
    Action.ENTER: ActionEvent(PresenceEntered, PresenceEntered),
    Action.QUIT: ActionEvent(PresenceQuit, PresenceQuit),
}
"""The event and the body of each action."""
_KINDS = {action: event.kind for action, event in ACTION_EVENTS.items()}
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class SendCommand:
    """A message or live event for a room, before it is appended or published."""

    # Not frozen: creating a frozen instance takes three times as long.
    action: Action
    room: str
    kind: str
    """The event's kind."""
    data: Mapping[str, Any]
    """The event's data."""
    size: int
    """Bytes of the body as sent."""
    key: str = field(default_factory=next_id)
    retry: bool = False
    """Whether the client may have sent it before, on another connection."""
    token: str | None = None
    """The access token in the SEND itself."""
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    """Headers of the SEND that its MESSAGEs carry too."""
    body: bytes = b""
    """The body that `data` comes from; JSON if `data` has more than a text."""

    @classmethod
    def of(cls, action: Action, room: str, data: Data, size: int = 0) -> Self:
        """Return the command to send `data` to `room`, with a new key."""
        return cls(action, room, data.kind, document(data), size)


def read_send(send: Send, *, with_aliases: bool) -> SendCommand | None:
    """Return the command of `send`; None for a tutorial's SEND that is ignored.

    Raises NotFound, InvalidRequest or InvalidBody.
    """
    target, content_type, body = _target(send, with_aliases=with_aliases)
    if target is None:
        return None
    action, headers = target.action, send.headers
    key = headers.get("key")
    data = _data(action, content_type, body)
    return SendCommand(
        action,
        target.room,
        _KINDS[action],
        data,
        len(send.body),
        next_id() if key is None else check_key(key),
        key is not None and headers.get("retry") == "true",
        own_token(headers),
        _forwarded(headers),
        body,
    )


def check_key(key: str) -> str:
    """Return `key`; raises InvalidRequest unless it has 1 to 64 printable characters."""
    if not 1 <= len(key) <= KEY_LENGTH or not key.isprintable():
        raise InvalidRequest(f"A key has 1 to {KEY_LENGTH} printable characters.")
    return key


def own_token(headers: Mapping[str, str]) -> str | None:
    """Return the token in a frame's Authorization header, capitalized or not."""
    return bearer(headers.get("Authorization") or headers.get("authorization"))


def bearer(authorization: str | None) -> str | None:
    """Return the token of an Authorization header, with or without its scheme."""
    if not authorization:
        return None
    token = bearer_token(authorization)
    return authorization.strip() if token is None else token


def _target(send: Send, *, with_aliases: bool) -> tuple[SendTarget | None, str, bytes]:
    """Return the target of `send`, and its content type and body as this API defines them."""
    target = send_target(send.destination)
    if target is not None:
        if target.action is Action.TOKEN:
            raise InvalidRequest("A token cannot be renewed in a transaction; send it without one.")
        # Media types are case-insensitive (RFC 9110 section 8.3.1).
        return target, send.headers.get("content-type", "").lower(), send.body
    if with_aliases and tutorial_destinations.is_send(send.destination):
        target, text = tutorial_destinations.read_send(send.destination, send.body)
        return target, _JSON, orjson.dumps({"text": text}) if text else b""
    raise NotFound(f"There is no such destination: {send.destination[:100]}.")


def _data(action: Action, content_type: str, body: bytes) -> Mapping[str, Any]:
    try:
        if action is not Action.MESSAGE:
            return _read_json(action, body or b"{}")
        if content_type.startswith(_JSON):
            return _read_json(action, body)
        text = body.decode()
    except ValidationError as error:
        errors = field_errors(
            {**found, "loc": found["loc"] or ("body",)} for found in error.errors()[:MAX_ERRORS]
        )
        raise InvalidBody(sentence(errors[0]), errors=errors) from error
    except UnicodeDecodeError as error:
        raise InvalidBody("The body is not valid UTF-8.") from error
    return _read_text(text, declared=content_type.startswith(_TEXT))


def _read_json(action: Action, body: bytes | str) -> Mapping[str, Any]:
    """Return the data that `body` requests; raises InvalidBody or ValidationError."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidBody("Body: not valid JSON.") from error
    if isinstance(given, dict) and len(given) > _MAX_FIELDS:
        # Describing each unknown field would take far longer than this check.
        raise InvalidBody(f"Body: at most {_MAX_FIELDS} fields.")
    return content(ACTION_EVENTS[action].body.model_validate(given))


def _read_text(text: str, *, declared: bool) -> Mapping[str, Any]:
    """Return the message in `text`, which may be JSON without a declared content type."""
    if not declared and text.startswith("{"):
        try:
            return _read_json(Action.MESSAGE, text)
        except (ValidationError, InvalidBody):
            pass  # a text that begins with a brace
    if not text:
        raise InvalidBody("The message is empty.")
    # The fast path: `NewMessage` checks nothing else.
    return {"text": text}


def _forwarded(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers that the MESSAGEs must carry too (STOMP 1.2, SEND)."""
    if OWN_HEADERS.issuperset(headers):
        return _NO_HEADERS
    forwarded = {name: value for name, value in headers.items() if not is_own(name)}
    if len(orjson.dumps(forwarded)) > _FORWARDED_BYTES:
        raise InvalidRequest(f"Forwarded headers may have {_FORWARDED_BYTES} bytes as JSON.")
    return forwarded
