"""Live notices of ended sessions, on which gateways close the connections."""

from collections.abc import Iterable

from madang_auth.metrics import AuthMetrics, EndReason
from madang_auth.sessions.port import Session
from madang_common.clock import Clock, rfc3339
from madang_common.events.envelope import Event
from madang_common.events.kinds import LoginEnded, document
from madang_common.ids import new_id
from madang_common.live.port import Live


class SessionNotices:
    """Publishes a live event to the user of each ended session."""

    def __init__(self, live: Live, *, metrics: AuthMetrics, clock: Clock) -> None:
        self._live = live
        self._metrics = metrics
        self._clock = clock

    def publish_ended(self, sessions: Iterable[Session], reason: EndReason) -> None:
        """Publish that `sessions` have ended, and count them."""
        for session in sessions:
            self._metrics.ended(reason)
            data = LoginEnded(login=session.id)
            event = Event(
                key=new_id(),
                kind=data.kind,
                user=session.user,
                sender=session.user,
                sender_name=session.name,
                at=rfc3339(self._clock()),
                data=document(data),
            )
            self._live.publish(event.line())
