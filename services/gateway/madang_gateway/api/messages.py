"""REST: sending and changing messages without a WebSocket, for bots and scripts."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from madang_common.events.data import ALICE, ROOM, Data
from madang_common.events.message_kinds import (
    MessageCreated,
    MessageDeleted,
    MessageEdited,
    MessagePinned,
    MessageUnpinned,
    ReactionAdded,
    ReactionRemoved,
)
from madang_common.http.openapi import example, refuses
from madang_common.http.security import User
from madang_common.ids import next_id
from madang_common.log.position import to_id
from madang_common.problems import (
    DeletedMessage,
    Forbidden,
    InvalidRequest,
    KeyConflict,
    NotAMember,
    NotFound,
    Problem,
    TooManyReactions,
)
from madang_common.tokens.claims import Claims
from madang_gateway.api.parameters import MessageId, PathEmoji, RoomId
from madang_gateway.protocol.destinations import Action
from madang_gateway.publish.bodies import Edit, NewMessage, Reason, content
from madang_gateway.publish.command import ACTION_EVENTS, KEY_LENGTH, SendCommand, check_key
from madang_gateway.publish.sender import Sender

KeyField = Annotated[str, Field(min_length=1, max_length=KEY_LENGTH)] | None
Key = Annotated[
    KeyField,
    Query(description="Idempotency key: a repeated key changes nothing and returns the same id."),
]


class Message(NewMessage):
    """A message to send."""

    model_config = example({"text": "build passed", "key": "build-7"})

    key: KeyField = None
    """Idempotency key: a repeated key sends nothing and returns the first message's id."""


class MessageEdit(Edit):
    """A change of a message; what is not given stays as it is."""

    model_config = example({"text": "build passed at last", "key": "build-7-edit"})

    key: KeyField = None
    """Idempotency key: a repeated key changes nothing and returns the first edit's id."""


def _example_of(data: type[Data], **fields: Any) -> dict[str, Any]:
    return {
        "id": "000000000c00",
        "key": "build-7",
        "kind": data.kind,
        "room": ROOM,
        "sender": ALICE,
        "data": {**data.example, **fields},
    }


class _Accepted(BaseModel):
    """An event as it was accepted."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    """The event's id; ids sort in the room's order."""
    key: str
    kind: str
    room: str
    sender: str


class Sent(_Accepted):
    """The message as it was accepted."""

    model_config = example(_example_of(MessageCreated, text="build passed"))

    data: MessageCreated


class Edited(_Accepted):
    """The edit as it was accepted."""

    model_config = example(_example_of(MessageEdited))

    data: MessageEdited


class Deleted(_Accepted):
    """The deletion as it was accepted."""

    model_config = example(_example_of(MessageDeleted))

    data: MessageDeleted


class ReactionAccepted(_Accepted):
    """The reaction, or its removal, as it was accepted."""

    model_config = example(_example_of(ReactionAdded))

    data: ReactionAdded | ReactionRemoved


class PinAccepted(_Accepted):
    """The pin, or its removal, as it was accepted."""

    model_config = example(_example_of(MessagePinned))

    data: MessagePinned | MessageUnpinned


@dataclass(frozen=True, slots=True)
class _Requests:
    """Sends the events that requests ask for, and returns them once they are durable."""

    sender: Sender

    async def send(
        self,
        action: Action,
        room: str,
        user: Claims,
        data: Mapping[str, Any],
        key: str | None,
        *,
        body: bytes = b"",
    ) -> dict[str, Any]:
        """Send the event of `action` with `data`; raises the Problem of a refusal."""
        kind = ACTION_EVENTS[action].kind
        command = SendCommand(
            action,
            room,
            kind,
            data,
            size=_size(data),
            key=next_id() if key is None else check_key(key),
            # Any request with a key may be a retry of a request whose response was lost.
            retry=key is not None,
            body=body,
        )
        position = await _send(self.sender, user, command)
        return {
            "id": to_id(position),
            "key": command.key,
            "kind": kind,
            "room": room,
            "sender": user.subject,
            "data": command.data,
        }


def router(sender: Sender) -> APIRouter:
    """Return the routes, which send through `sender` as STOMP clients do."""
    routes = APIRouter(prefix="/api/gateway/v1/rooms/{room}/messages", tags=["messages"])
    requests = _Requests(sender)
    refused = (InvalidRequest, Forbidden, NotAMember, NotFound, KeyConflict)
    changed = refuses(*refused, DeletedMessage)
    reacted = refuses(*refused, DeletedMessage, TooManyReactions)

    @routes.post(
        "",
        status_code=201,
        operation_id="sendMessage",
        responses=refuses(*refused),
        response_model=Sent,
        response_model_exclude_unset=True,
    )
    async def send(room: RoomId, message: Message, user: User, request: Request) -> dict[str, Any]:
        """Send a message to a room; the response comes once the message is durable."""
        data = content(message)
        data.pop("key", None)
        body = await request.body()
        return await requests.send(Action.MESSAGE, room, user, data, message.key, body=body)

    @routes.patch(
        "/{message}",
        operation_id="editMessage",
        responses=changed,
        response_model=Edited,
        response_model_exclude_unset=True,
    )
    async def edit(
        room: RoomId, message: MessageId, change: MessageEdit, user: User, request: Request
    ) -> dict[str, Any]:
        """Edit one of your messages; the response comes once the edit is durable."""
        data = {"message": message} | content(change)
        data.pop("key", None)
        body = await request.body()
        return await requests.send(Action.EDIT, room, user, data, change.key, body=body)

    @routes.delete(
        "/{message}",
        operation_id="deleteMessage",
        responses=changed,
        response_model=Deleted,
        response_model_exclude_unset=True,
    )
    async def delete(
        room: RoomId,
        message: MessageId,
        user: User,
        key: Key = None,
        reason: Annotated[Reason | None, Query(description="Shown to the room.")] = None,
    ) -> dict[str, Any]:
        """Delete a message: its content is gone for good once the response comes."""
        data = {"message": message} | ({} if reason is None else {"reason": reason})
        return await requests.send(Action.DELETE, room, user, data, key)

    @routes.put(
        "/{message}/reactions/{emoji}",
        operation_id="addReaction",
        responses=reacted,
        response_model=ReactionAccepted,
        response_model_exclude_unset=True,
    )
    async def react(
        room: RoomId, message: MessageId, emoji: PathEmoji, user: User, key: Key = None
    ) -> dict[str, Any]:
        """React to a message; it is no error if you have done so already."""
        data = {"message": message, "emoji": emoji}
        return await requests.send(Action.REACT, room, user, data, key)

    @routes.delete(
        "/{message}/reactions/{emoji}",
        operation_id="removeReaction",
        responses=changed,
        response_model=ReactionAccepted,
        response_model_exclude_unset=True,
    )
    async def unreact(
        room: RoomId, message: MessageId, emoji: PathEmoji, user: User, key: Key = None
    ) -> dict[str, Any]:
        """Take your reaction back; it is no error if there is none."""
        data = {"message": message, "emoji": emoji}
        return await requests.send(Action.UNREACT, room, user, data, key)

    @routes.put(
        "/{message}/pin",
        operation_id="pinMessage",
        responses=changed,
        response_model=PinAccepted,
        response_model_exclude_unset=True,
    )
    async def pin(room: RoomId, message: MessageId, user: User, key: Key = None) -> dict[str, Any]:
        """Pin a message to the room; it is no error if it is pinned already."""
        return await requests.send(Action.PIN, room, user, {"message": message}, key)

    @routes.delete(
        "/{message}/pin",
        operation_id="unpinMessage",
        responses=changed,
        response_model=PinAccepted,
        response_model_exclude_unset=True,
    )
    async def unpin(
        room: RoomId, message: MessageId, user: User, key: Key = None
    ) -> dict[str, Any]:
        """Unpin a message; it is no error if it is not pinned."""
        return await requests.send(Action.UNPIN, room, user, {"message": message}, key)

    return routes


def _size(data: Mapping[str, Any]) -> int:
    """Return the bytes of `data` as far as they are limited."""
    text = data.get("text", "")
    return len(text.encode()) if len(data) == 1 else len(orjson.dumps(data))


async def _send(sender: Sender, claims: Claims, command: SendCommand) -> int:
    """Execute `command` and return the event's position; raise the Problem of a refusal."""
    result: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_outcome(outcome: int | Problem | None) -> None:
        if result.done():
            return
        if isinstance(outcome, Problem):
            result.set_exception(outcome)
        else:
            result.set_result(outcome or 0)

    pending = sender.send(claims, command, on_outcome)
    if pending is not None:
        await pending
    return await result
