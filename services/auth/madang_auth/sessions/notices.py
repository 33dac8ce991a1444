"""Tells whoever listens that logins have ended, so that their connections close."""

from collections.abc import Iterable

from madang_auth.metrics import AuthMetrics, Ending
from madang_auth.sessions.port import Login
from madang_common.clock import Clock, rfc3339
from madang_common.events.envelope import Event
from madang_common.events.kinds import LoginEnded, document
from madang_common.ids import new_id
from madang_common.live.port import Live


class Notices:
    """Publishes each ended login as a live notice to its user."""

    def __init__(self, live: Live, *, metrics: AuthMetrics, clock: Clock) -> None:
        self._live = live
        self._metrics = metrics
        self._clock = clock

    def ended(self, logins: Iterable[Login], reason: Ending) -> None:
        """Tell that `logins` have ended."""
        for login in logins:
            self._metrics.ended(reason)
            data = LoginEnded(login=login.id)
            event = Event(
                key=new_id(),
                kind=data.kind,
                user=login.user,
                sender=login.user,
                sender_name=login.name,
                at=rfc3339(self._clock()),
                data=document(data),
            )
            self._live.publish(event.line())
