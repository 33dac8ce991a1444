"""What is refused, counted and logged alike whether it came over STOMP or REST."""

import structlog

from madang_common.problems import Problem
from madang_gateway.metrics import Metrics

log = structlog.get_logger()


class Refusals:
    """Notes each refusal; the sender is told by others."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def note(
        self,
        problem: Problem,
        *,
        user: str,
        room: str = "",
        session: str | None = None,
        receipt: str | None = None,
    ) -> None:
        """Count a refusal by its kind, and log why something of `user` was refused."""
        self.note_mistake(
            problem.slug, problem.detail or problem.title, user, room, session, receipt
        )

    def note_mistake(
        self,
        kind: str,
        detail: str,
        user: str,
        room: str = "",
        session: str | None = None,
        receipt: str | None = None,
    ) -> None:
        """Do the same for what is no problem of ours, such as a mistake in the protocol."""
        self._metrics.refusals.labels(kind).inc()
        log.info(
            "refused",
            type=kind,
            detail=detail,
            user_id=user,
            room=room,
            session_id=session,
            receipt_id=receipt,
        )
