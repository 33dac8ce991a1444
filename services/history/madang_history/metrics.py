"""Metrics of history."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class HistoryMetrics:
    """Metrics of the ingest from the log into the store."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.stored = self._counter("events_stored", "Events stored.")
        self.duplicates = self._counter(
            "events_repeated", "Events that were in the store already, or twice in the log."
        )
        self.barred = self._counter(
            "events_barred", "Messages dropped because their sender's membership had ended."
        )
        self.dead_letters = self._counter(
            "events_dead", "Lines of the log that could not be stored and became dead letters."
        )
        self.failures = self._counter(
            "ingest_failures", "Failures of the log or the store that ingest retried."
        )
        self.lost = self._counter(
            "lost_batches",
            "Batches that the log dropped or lost before they were stored; at least this many.",
        )
        self.incomplete_epochs = Gauge(
            "madang_history_incomplete_epochs",
            "Older epochs of the log that are not stored to their end yet.",
            registry=registry,
        )
        self.held = self._gauge(
            "shard_held", "1 for a shard of the log that this replica stores, 0 for any other."
        )
        self.stored_offset = self._gauge(
            "stored_offset", "Offset up to which a shard of the log is stored."
        )
        self.end_offset = self._gauge("end_offset", "Offset at which a shard of the log ends.")
        self.lag = self._gauge(
            "behind_seconds",
            "Age of the oldest event that was read from a shard of the log and is not stored yet.",
        )

    def remove_shard(self, shard: int) -> None:
        """Remove the series of a shard that this replica no longer holds."""
        for gauge in (self.stored_offset, self.end_offset, self.lag):
            gauge.remove(shard)

    def _counter(self, name: str, documentation: str) -> Counter:
        return Counter(f"madang_history_{name}_total", documentation, registry=self._registry)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(f"madang_history_{name}", documentation, ["shard"], registry=self._registry)
