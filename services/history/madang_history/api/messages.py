"""`/api/history/v1/rooms/{room}/messages` and `/pins`: the messages of a room, for its members.

Messages are returned in their present state. Pages are ordered by the time of creation.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from madang_common.events.envelope import room_audience
from madang_common.events.kinds import MODERATING
from madang_common.events.redaction import is_redacted
from madang_common.http.openapi import refuses
from madang_common.log.position import from_id
from madang_common.problems import Forbidden, InvalidRequest, NotAMember, NotFound
from madang_fold import Message
from madang_history.api.bodies import (
    Count,
    MessageBody,
    MessagePage,
    VersionPage,
    client_bodies,
    json_response,
    message_body,
    optional_id,
    page_document,
)
from madang_history.api.parameters import (
    After,
    MessageId,
    PageRequest,
    RequestedPage,
    VersionLimit,
    position_of,
)
from madang_history.api.reading import Readers, Reading
from madang_history.store.pages import MessageSeries, Pages
from madang_history.store.port import MessageKey, MessagesOf, MessageStore, StoredEvent

_EXAMINED_PER_COUNTED = 4
"""Messages examined for each one that a count may return; the reader's own do not count."""


def messages_router(store: MessageStore, readers: Readers, *, unread_limit: int) -> APIRouter:
    """Return the endpoints for the messages of a room."""
    router = APIRouter(prefix="/api/history/v1/rooms/{room}", tags=["messages"])
    Allowed = Annotated[Reading, Depends(readers.begin)]  # noqa: N806 - a type, made for `readers`

    @router.get(
        "/messages",
        response_model=MessagePage,
        operation_id="listMessages",
        responses=refuses(InvalidRequest, NotAMember, NotFound),
    )
    async def messages(reading: Allowed, requested: RequestedPage) -> Response:
        """Return a page of the room's messages, oldest first: the newest, or the one at a cursor.

        Deleted messages are included, without their content.
        """
        return await _page(store, readers, reading, MessagesOf(reading.room), requested)

    # Before `/{message}`, which would take "count" for an id.
    @router.get(
        "/messages/count", operation_id="countMessages", responses=refuses(NotAMember, NotFound)
    )
    async def count(reading: Allowed, after: After = None) -> Count:
        """Return how many messages of other users came after an id, up to a limit.

        Deleted messages do not count.
        """
        return await _count(store, reading, position_of(after), unread_limit)

    @router.get(
        "/messages/{message}",
        response_model=MessageBody,
        operation_id="getMessage",
        responses=refuses(NotAMember, NotFound),
    )
    async def message(reading: Allowed, message: MessageId) -> Response:
        """Return one message of the room."""
        return json_response(
            message_body(await _message(store, readers, reading, message), reading.user)
        )

    @router.get(
        "/messages/{message}/thread",
        response_model=MessagePage,
        operation_id="listReplies",
        responses=refuses(InvalidRequest, NotAMember, NotFound),
    )
    async def thread(reading: Allowed, message: MessageId, requested: RequestedPage) -> Response:
        """Return a page of the replies in a message's thread, oldest first."""
        await _message(store, readers, reading, message)
        replies = MessagesOf(reading.room, thread=message)
        return await _page(store, readers, reading, replies, requested)

    @router.get(
        "/messages/{message}/versions",
        response_model=VersionPage,
        operation_id="listVersions",
        responses=refuses(Forbidden, NotAMember, NotFound),
    )
    async def versions(
        reading: Allowed, message: MessageId, after: After = None, limit: VersionLimit = 50
    ) -> Response:
        """Return the events that created and edited a message, oldest first.

        Only for moderators and owners. A deleted message has none.
        """
        if reading.role not in MODERATING:
            raise Forbidden("Only moderators and owners may see earlier versions of a message.")
        state = await _message(store, readers, reading, message)
        return json_response(await _versions(store, reading, state, position_of(after), limit))

    @router.get(
        "/pins",
        response_model=MessagePage,
        operation_id="listPins",
        responses=refuses(InvalidRequest, NotAMember, NotFound),
    )
    async def pins(reading: Allowed, requested: RequestedPage) -> Response:
        """Return a page of the room's pinned messages, in the order in which they were created."""
        pinned = MessagesOf(reading.room, pinned=True)
        return await _page(store, readers, reading, pinned, requested)

    return router


async def _message(store: MessageStore, readers: Readers, reading: Reading, name: str) -> Message:
    """Return the message with the id `name`; raise NotFound."""
    key = MessageKey(reading.room, name)
    found = await store.messages([key]) if from_id(name) <= reading.upto else {}
    if key not in found:
        raise NotFound("There is no such message in this room.")
    await readers.cover(reading, found.values())
    return found[key]


async def _page(
    store: MessageStore,
    readers: Readers,
    reading: Reading,
    selected: MessagesOf,
    requested: PageRequest,
) -> Response:
    page = await requested.of(Pages(MessageSeries(store, selected), reading.upto))
    await readers.cover(reading, (stored.message for stored in page.items))
    bodies = [message_body(stored.message, reading.user) for stored in page.items]
    return json_response(page_document(page, bodies))


async def _count(store: MessageStore, reading: Reading, after: int | None, limit: int) -> Count:
    """Count the messages of others after a position, up to `limit`."""
    most = limit * _EXAMINED_PER_COUNTED + 1
    found = await store.count_messages(
        reading.room,
        -1 if after is None else after,
        upto=reading.upto,
        reader=reading.user,
        most=most,
    )
    more = found.unread > limit or found.examined == most
    return Count(count=min(found.unread, limit), more=more)


async def _versions(
    store: MessageStore, reading: Reading, message: Message, after: int | None, limit: int
) -> dict[str, object]:
    """Return a page of the events that gave `message` its content."""
    created_at = from_id(message.id)
    found: list[StoredEvent] = []
    if after is None or after < created_at:
        created = await store.get(room_audience(reading.room), created_at)
        found += [created] if created else []
    start = max(created_at, -1 if after is None else after)
    key = MessageKey(reading.room, message.id)
    found += await store.edits(key, start, limit + 1, upto=reading.upto)
    shown = found[:limit]
    effective = [
        stored
        for stored in shown
        if stored.event.sender == message.sender and not is_redacted(stored.event)
    ]
    return {
        "items": client_bodies(effective),
        "after": optional_id(shown[-1].position if len(found) > limit else None),
    }
