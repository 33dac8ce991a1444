"""Counts and logs refusals, the same over STOMP and REST."""

import structlog

from madang_common.problems import Problem
from madang_gateway.metrics import Metrics

log = structlog.get_logger()


class Refusals:
    """Counts and logs each refusal; it does not answer the client."""

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
        """Count and log the refusal of a request by `user`."""
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
        """Count and log a refusal that is not a Problem, such as a protocol error."""
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
