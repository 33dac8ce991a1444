"""Refusals: requests refused because of the client, logged and counted once each.

REST and STOMP share one counter and one log event. A failure of the service (500) is not a refusal.
"""

from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry, Counter

from madang_common.problems import Problem

log = structlog.get_logger()


class Refusals:
    """Counts and logs the refusals of one service; it does not answer the client."""

    def __init__(self, registry: CollectorRegistry, service: str, kinds: Iterable[str]) -> None:
        """Count in `madang_{service}_refusals_total`, with all of `kinds` at 0 from the start."""
        self._total = Counter(
            f"madang_{service}_refusals_total",
            "Requests refused, by type of problem.",
            ["type"],
            registry=registry,
        )
        for kind in kinds:
            self._total.labels(kind)

    def note(
        self,
        problem: Problem,
        *,
        user: str,
        room: str = "",
        session: str | None = None,
        receipt: str | None = None,
        request: str | None = None,
    ) -> None:
        """Count and log the refusal of a request by `user`; ignore a failure of the service."""
        if type(problem) is Problem:
            return
        detail = problem.detail or problem.title
        self.note_error(problem.slug, detail, user, room, session, receipt, request)

    def note_error(
        self,
        kind: str,
        detail: str,
        user: str,
        room: str = "",
        session: str | None = None,
        receipt: str | None = None,
        request: str | None = None,
    ) -> None:
        """Count and log a refusal that is not a Problem, such as a protocol error."""
        self._total.labels(kind).inc()
        context = {
            "user_id": user,
            "room": room,
            "session_id": session,
            "receipt_id": receipt,
            "request_id": request,
        }
        given = {name: value for name, value in context.items() if value}
        log.info("refused", type=kind, detail=detail, **given)
