"""The gateway's REST interface: sending without a WebSocket, for bots and scripts."""

import asyncio
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from madang_common.events.kinds import MessageCreated, document, kind_of
from madang_common.http.bodies import Body
from madang_common.http.security import User
from madang_common.ids import next_id
from madang_common.log.position import to_id
from madang_common.problems import Problem
from madang_common.tokens.claims import Claims
from madang_gateway.api.parameters import RoomId
from madang_gateway.protocol.destinations import Action
from madang_gateway.publish.command import KEY_LENGTH, Command, check_key
from madang_gateway.publish.sender import Sender
from madang_gateway.refusals import Refusals


class Message(Body):
    """What to say."""

    text: Annotated[str, Field(min_length=1)]
    key: Annotated[str, Field(min_length=1, max_length=KEY_LENGTH)] | None = None
    """The same key again says nothing new: the answer is the first message's id."""


class Sent(BaseModel):
    """The message as it was taken."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    """The event's id: its place in the room's order."""
    key: str
    kind: str = "message.created"
    room: str
    sender: str
    data: MessageCreated


def router(sender: Sender, refusals: Refusals) -> APIRouter:
    """Return the routes, which send through `sender` as STOMP clients do."""
    routes = APIRouter(prefix="/api/gateway/v1", tags=["gateway"])

    @routes.post("/rooms/{room}/messages", status_code=201)
    async def send(room: RoomId, message: Message, who: User) -> Sent:
        """Say something in a room; the answer comes when it is durable."""
        try:
            return await _say(room, message, who)
        except Problem as problem:
            refusals.note(problem, user=who.subject, room=room)
            raise

    async def _say(room: str, message: Message, who: Claims) -> Sent:
        key = next_id() if message.key is None else check_key(message.key)
        said = MessageCreated(text=message.text)
        outgoing = Command(
            action=Action.MESSAGE,
            room=room,
            kind=kind_of(said),
            data=document(said),
            size=len(message.text.encode()),
            key=key,
            # Without a connection to tell, any chosen key may be a second try.
            retry=message.key is not None,
        )
        position = await _send(sender, who, outgoing)
        return Sent(
            id=to_id(position),
            key=key,
            room=room,
            sender=who.subject,
            data=said,
        )

    return routes


async def _send(sender: Sender, who: Claims, outgoing: Command) -> int:
    result: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def outcome(told: int | Problem | None) -> None:
        if result.done():
            return
        if isinstance(told, Problem):
            result.set_exception(told)
        else:
            result.set_result(told or 0)

    pending = sender.send(who, outgoing, outcome)
    if pending is not None:
        await pending
    return await result
