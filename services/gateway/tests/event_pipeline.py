"""The path of an event from the log to recipients, without sockets or a server."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from prometheus_client import CollectorRegistry

from madang_common.access import Access, AccessQuery
from madang_common.events.envelope import Event, read_line, room_audience
from madang_common.events.kinds import Role
from madang_common.http.client import create_client
from madang_common.log.port import Batch
from madang_common.log.position import from_id, position, to_id
from madang_fold import fold_events, to_json
from madang_gateway.backends.history import History
from madang_gateway.backends.memberships import Memberships
from madang_gateway.consume.dispatcher import Dispatcher
from madang_gateway.consume.message_changes import MessageChanges
from madang_gateway.fanout.broadcaster import Broadcaster
from madang_gateway.fanout.encoding import EncodingKey
from madang_gateway.fanout.hub import Hub
from madang_gateway.messages.lookup import Messages, room_event
from madang_gateway.messages.seen import SeenPositions
from madang_gateway.messages.states import MessageStates
from madang_gateway.metrics import Metrics
from madang_gateway.state.idempotency_keys import IdempotencyKeys
from madang_gateway.state.pending_receipts import PendingReceipts
from madang_gateway.state.recent_events import RecentEvents
from madang_gateway.state.sent_lines import SentLines

_MESSAGE_ID = re.compile(rb"message-id:(\w{12})")


class ManualClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class FakeRecipient:
    """A connection that records the positions of received messages."""

    user: str = "mina"
    behind: bool = False
    compressed: bool = False
    sockjs: bool = False
    received: list[int] = field(default_factory=list)

    def write(self, frames: bytes) -> None:
        self.received += [from_id(found.decode()) for found in _MESSAGE_ID.findall(frames)]


class FakeHistory:
    """The history service: the stored events of one shard."""

    def __init__(self) -> None:
        self.events: list[tuple[int, Event]] = []
        self.next = 0
        self.away = False
        self.reaches = True
        self.requests = 0

    def store(self, batch: Batch) -> None:
        """Store the next batch without duplicates."""
        known = {(event.audience, event.sender, event.key) for _, event in self.events}
        for line, raw in enumerate(batch.lines):
            event = read_line(raw)
            key = (event.audience, event.sender, event.key)
            if key not in known:
                known.add(key)
                self.events.append((position(batch.offset, line), event))
        self.next = batch.offset + 1

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.away:
            return httpx.Response(503)
        query = request.url.params
        if request.url.path == "/internal/keys":
            return self._key(query)
        if request.url.path == "/internal/messages":
            return self._messages(orjson.loads(request.content)["questions"])
        since = from_id(query["after"]) if "after" in query else -1
        limit = int(query["limit"])
        found = [
            (at, event)
            for at, event in self.events
            if event.audience == query["audience"] and at > since
        ]
        items = [{"id": to_id(at), **e.document(with_headers=True)} for at, e in found[:limit]]
        end = position(self.next, 0)
        return httpx.Response(
            200,
            json={
                "items": items,
                "complete": len(found) <= limit,
                "stored_to": to_id(end - 1) if end else None,
                "reaches": self.reaches,
            },
        )

    def _key(self, query: httpx.QueryParams) -> httpx.Response:
        for at, event in self.events:
            if (event.audience, event.sender, event.key) == (
                query["audience"],
                query["sender"],
                query["key"],
            ):
                return httpx.Response(200, json={"id": to_id(at), **event.document()})
        return httpx.Response(404)

    def _messages(self, questions: list[dict[str, str]]) -> httpx.Response:
        end = position(self.next, 0)
        answers = [
            {
                **question,
                "state": message_state(self.events, question["room"], question["message"]),
                "stored_to": to_id(end - 1) if end else None,
            }
            for question in questions
        ]
        return httpx.Response(200, content=orjson.dumps({"answers": answers}))

    def client(self) -> History:
        return History(create_client("http://history", transport=httpx.MockTransport(self.answer)))


def message_state(
    events: Sequence[tuple[int, Event]], room: str, message: str
) -> dict[str, Any] | None:
    """Return the state of a message of `room` after the stored `events`, as history has it."""
    folded = fold_events(room_event(at, event) for at, event in events if event.room == room)
    return to_json(folded[message]) if message in folded else None


async def _all_are_members(queries: Sequence[AccessQuery]) -> list[Access]:
    return [
        Access(user=query.user, room=query.room, exists=True, role=Role.MEMBER, archived=False)
        for query in queries
    ]


class EventPipeline:
    """Recent events, idempotency keys, hub and dispatcher, on a log with one shard."""

    def __init__(self, *, tail_bytes: int = 1_000_000) -> None:
        self.time = ManualClock()
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.hub = Hub()
        self.recent_events = RecentEvents(1, limit_bytes=tail_bytes, limit_seconds=1000)
        self.recent_events.begin(0, 0)
        self.idempotency_keys = IdempotencyKeys(120, 1000)
        self.sent_lines = SentLines(100_000)
        self.pending_receipts = PendingReceipts(15, lambda _: None, self.time)
        self.memberships = Memberships(_all_are_members, rooms=10)
        self.message_states = MessageStates(1_000_000)
        self.ended: list[tuple[str, str]] = []
        self.dispatcher = Dispatcher(
            recent_events=self.recent_events,
            idempotency_keys=self.idempotency_keys,
            sent_lines=self.sent_lines,
            memberships=self.memberships,
            message_changes=MessageChanges(self.recent_events, self.message_states, self.metrics),
            pending_receipts=self.pending_receipts,
            hub=self.hub,
            broadcaster=Broadcaster(self.hub, self.metrics),
            end_membership=self.end_membership,
            metrics=self.metrics,
            clock=self.time,
        )
        self.seen = SeenPositions(self.recent_events, self._log_end, seconds=20, clock=self.time)
        self._listeners: list[tuple[FakeRecipient, str]] = []
        self.offset = 0

    def messages(self, history: FakeHistory | None = None) -> Messages:
        """Return the lookup of messages in this pipeline, else in `history`."""
        return Messages(
            self.message_states,
            self.recent_events,
            (history or FakeHistory()).client().messages,
            self.seen,
            seconds=1,
            metrics=self.metrics,
            clock=self.time,
        )

    async def _log_end(self, _: int) -> int:
        return self.offset

    def listener(self, user: str = "mina", room: str = "yard") -> FakeRecipient:
        listener = FakeRecipient(user)
        self.subscribe(listener, room)
        return listener

    def subscribe(self, listener: FakeRecipient, room: str = "yard") -> None:
        self._listeners.append((listener, room))
        self.hub.add(room_audience(room), ENCODING_KEY, listener)

    def end_membership(self, user: str, room: str) -> None:
        self.ended.append((user, room))
        for listener, subscribed in self._listeners:
            if (listener.user, subscribed) == (user, room):
                self.hub.remove(room_audience(room), ENCODING_KEY, listener)

    def apply(self, *events: Event | bytes) -> list[int]:
        """Apply `events` as one batch of the log; return their positions."""
        lines = tuple(one if isinstance(one, bytes) else one.line() for one in events)
        batch = Batch(self.offset, lines)
        self.offset += 1
        self.dispatcher.apply(0, batch)
        return [position(batch.offset, line) for line in range(len(lines))]

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"madang_gateway_{name}", labels) or 0.0


ENCODING_KEY = EncodingKey("s", "/topic/rooms.yard", "1.2")
