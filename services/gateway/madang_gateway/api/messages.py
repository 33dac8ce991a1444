"""REST: sending messages without a WebSocket, for bots and scripts."""

import asyncio
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from madang_common.events.kinds import document
from madang_common.events.message_kinds import MessageCreated
from madang_common.http.bodies import Body
from madang_common.http.openapi import example, refuses
from madang_common.http.security import User
from madang_common.ids import next_id
from madang_common.log.position import to_id
from madang_common.problems import Forbidden, KeyConflict, NotAMember, NotFound, Problem
from madang_common.tokens.claims import Claims
from madang_gateway.api.parameters import RoomId
from madang_gateway.protocol.destinations import Action
from madang_gateway.publish.command import KEY_LENGTH, SendCommand, check_key
from madang_gateway.publish.sender import Sender


class Message(Body):
    """A message to send."""

    model_config = example({"text": "build passed", "key": "build-7"})

    text: Annotated[str, Field(min_length=1)]
    key: Annotated[str, Field(min_length=1, max_length=KEY_LENGTH)] | None = None
    """Idempotency key: a repeated key sends nothing and returns the first message's id."""


class Sent(BaseModel):
    """The message as it was accepted."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        **example(
            {
                "id": "000000000c00",
                "key": "build-7",
                "kind": "message.created",
                "room": "06h06kth7cvnl2h7pm7u28th",
                "sender": "06h06ktdkrb2i5o61ro2lqhs",
                "data": {"text": "build passed"},
            }
        ),
    )

    id: str
    """The event's id; ids sort in the room's order."""
    key: str
    kind: str = MessageCreated.kind
    room: str
    sender: str
    data: MessageCreated


def router(sender: Sender) -> APIRouter:
    """Return the routes, which send through `sender` as STOMP clients do."""
    routes = APIRouter(prefix="/api/gateway/v1", tags=["messages"])

    @routes.post(
        "/rooms/{room}/messages",
        status_code=201,
        operation_id="sendMessage",
        responses=refuses(Forbidden, NotAMember, NotFound, KeyConflict),
    )
    async def send(room: RoomId, message: Message, user: User) -> Sent:
        """Send a message to a room; the response comes once the message is durable."""
        key = next_id() if message.key is None else check_key(message.key)
        data = MessageCreated(text=message.text)
        command = SendCommand(
            action=Action.MESSAGE,
            room=room,
            kind=data.kind,
            data=document(data),
            size=len(message.text.encode()),
            key=key,
            # Any request with a key may be a retry of a request whose response was lost.
            retry=message.key is not None,
        )
        position = await _send(sender, user, command)
        return Sent(id=to_id(position), key=key, room=room, sender=user.subject, data=data)

    return routes


async def _send(sender: Sender, claims: Claims, command: SendCommand) -> int:
    """Execute `command` and return the message's position; raise the Problem of a refusal."""
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
