"""Metrics of rooms."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from madang_common.clock import Clock
from madang_common.events.kinds import DURABLE


class RoomsMetrics:
    """Changes by kind, the size and age of the outbox, and throttled changes."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self._oldest: float | None = None
        self._changes = Counter(
            "madang_rooms_changes_total",
            "Committed changes of rooms and members, by the kind of their event.",
            ["kind"],
            registry=registry,
        )
        self._waiting = Gauge(
            "madang_rooms_outbox_waiting_rows",
            "Outbox rows that the log has not confirmed yet.",
            registry=registry,
        )
        age = Gauge(
            "madang_rooms_outbox_oldest_seconds",
            "Age of the oldest outbox row; 0 if there is none.",
            registry=registry,
        )
        age.set_function(self._age)
        self._appends = Counter(
            "madang_rooms_relay_appends_total",
            "Outbox rows appended to the log, by result.",
            ["result"],
            registry=registry,
        )
        for result in ("confirmed", "failed"):
            self._appends.labels(result)
        self._throttled = Counter(
            "madang_rooms_throttled_total",
            "Changes refused by the rate limit of their user.",
            registry=registry,
        )

    def committed(self, kinds: Iterable[str]) -> None:
        """Count the events of a committed unit of work."""
        for kind in kinds:
            self._changes.labels(kind if kind in DURABLE else "unknown").inc()
            self._waiting.inc()

    def outbox(self, rows: int, oldest_ms: int | None) -> None:
        """Record the size of the outbox, and the time of its oldest row."""
        self._waiting.set(rows)
        self._oldest = None if oldest_ms is None else oldest_ms / 1000

    def relayed(self, *, confirmed: int, failed: int) -> None:
        """Count the rows of one chunk by result."""
        self._appends.labels("confirmed").inc(confirmed)
        self._appends.labels("failed").inc(failed)
        self._waiting.dec(confirmed)

    def throttled(self) -> None:
        """Count a change refused by the rate limit."""
        self._throttled.inc()

    def _age(self) -> float:
        return 0.0 if self._oldest is None else max(0.0, self._clock() - self._oldest)
