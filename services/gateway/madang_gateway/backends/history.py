"""Client of the history service, for what is no longer in memory: events, keys and messages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx
import orjson

from madang_common.events.envelope import Event, read_document
from madang_common.http.client import call
from madang_common.log.position import from_id, to_id
from madang_common.problems import NotFound, Unavailable
from madang_fold import Message, from_json

MAX_QUERIES = 500
"""Most messages of one request."""
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Page:
    """Stored events after a position, oldest first."""

    events: list[tuple[int, Event]]
    complete: bool
    """Whether these are the last events that are stored."""
    stored_to: int | None
    """Position up to which the audience's shard is stored."""
    reaches: bool
    """Whether no event is missing between the requested position and the first event."""


class MessageQuery(NamedTuple):
    """A query for the state of a message."""

    room: str
    message: str
    """Its id."""


class StoredMessage(NamedTuple):
    """The state of a message as history has it."""

    state: Message | None
    """None if history has no such message in the room."""
    stored_to: int
    """Position up to which the room's shard is stored; -1 if nothing is."""


class History:
    """Client of the internal API of history."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def after(self, audience: str, since: int, limit: int) -> Page:
        """Return up to `limit` events of `audience` after position `since`; -1 for the start."""
        query = {"audience": audience, "limit": str(limit)}
        if since >= 0:
            query["after"] = to_id(since)
        answer = await call(self._client, "GET", "/internal/events", params=query)
        with _readable():
            document = orjson.loads(answer.content)
            stored_to = document["stored_to"]
            return Page(
                events=[_read(item) for item in document["items"]],
                complete=document["complete"],
                stored_to=None if stored_to is None else from_id(stored_to),
                reaches=document["reaches"],
            )

    async def by_key(self, audience: str, sender: str, key: str) -> tuple[int, Event] | None:
        """Return the event of `sender` with `key` and its position, or None."""
        query = {"audience": audience, "sender": sender, "key": key}
        try:
            answer = await call(self._client, "GET", "/internal/keys", params=query)
        except NotFound:
            return None
        with _readable():
            return _read(orjson.loads(answer.content))

    async def messages(self, queries: Sequence[MessageQuery]) -> list[StoredMessage]:
        """Return the state of each message of at most MAX_QUERIES."""
        body = orjson.dumps({"questions": [query._asdict() for query in queries]})
        answer = await call(self._client, "POST", "/internal/messages", content=body, headers=_JSON)
        with _readable():
            return [_read_message(item) for item in orjson.loads(answer.content)["answers"]]


def _read_message(item: dict[str, Any]) -> StoredMessage:
    state, stored_to = item["state"], item["stored_to"]
    return StoredMessage(
        None if state is None else from_json(state),
        -1 if stored_to is None else from_id(stored_to),
    )


def _read(item: dict[str, Any]) -> tuple[int, Event]:
    return from_id(item["id"]), read_document(item)


@contextmanager
def _readable() -> Iterator[None]:
    """Raise Unavailable if the response is not valid."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable("The message history cannot be read now; try again.") from error
