"""Applies events that change messages: to the cached states and to the recent events."""

from collections.abc import Iterable

from madang_common.events.envelope import Event, read_line
from madang_common.events.message_kinds import MessageDeleted, MessageEdited
from madang_common.events.redaction import redacted
from madang_common.log.position import from_id
from madang_fold import targets
from madang_gateway.messages.lookup import room_event
from madang_gateway.messages.states import MessageStates
from madang_gateway.metrics import Metrics
from madang_gateway.state.recent_events import PositionedLine, RecentEvents

_EDIT = b'"kind":"%b"' % MessageEdited.kind.encode()
"""In the line of every edit, and hardly in another."""


class MessageChanges:
    """Applies events of rooms in the order of the log, each after the recent events have it.

    A deletion redacts the recent events of its message, so that no replay shows what was deleted;
    so it does with an edit that comes after it. The fold ignores events that may not have an
    effect, for example an edit by somebody else.
    """

    def __init__(self, recent: RecentEvents, states: MessageStates, metrics: Metrics) -> None:
        self._recent = recent
        self._states = states
        self._metrics = metrics

    def apply(self, events: Iterable[tuple[int, Event]]) -> None:
        """Apply `events`, each with its position, to the messages that they target."""
        for at, event in events:
            self._apply(at, event)

    def _apply(self, at: int, event: Event) -> None:
        audience = event.audience
        folded = room_event(at, event)
        for message in targets(folded):
            if message == folded.id:
                continue  # the message that it creates; nothing is known of it yet
            deletes = event.kind == MessageDeleted.kind
            self._recent.index(audience, at, message, deletes=deletes)
            self._states.apply(audience, message, folded)
            if deletes or (
                event.kind == MessageEdited.kind and self._recent.is_deleted(audience, message)
            ):
                self._redact(audience, message)

    def _redact(self, audience: str, message: str) -> None:
        created = from_id(message)

        def without_content(event: PositionedLine) -> bytes:
            at, line = event
            if at != created and _EDIT not in line:
                return line
            found = read_line(line)
            has_content = at == created or found.kind == MessageEdited.kind
            return redacted(found).line() if has_content else line

        self._recent.replace(audience, message, without_content)
        self._metrics.redactions.inc()
