"""What history counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class HistoryMetrics:
    """How the log gets into the store."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.stored = Counter(
            "madang_history_events_stored_total", "Events stored.", registry=registry
        )
        self.repeated = Counter(
            "madang_history_events_repeated_total",
            "Events that stood in the store already, or in the log twice.",
            registry=registry,
        )
        self.barred = Counter(
            "madang_history_events_barred_total",
            "Messages after the end of their sender's membership, left out.",
            registry=registry,
        )
        self.dead = Counter(
            "madang_history_events_dead_total",
            "Lines of the log that were no events and were set aside.",
            registry=registry,
        )
        self.failures = Counter(
            "madang_history_ingest_failures_total",
            "Failures of the log or the store after which ingest tried again.",
            registry=registry,
        )
        self.lost = Counter(
            "madang_history_lost_batches_total",
            "Batches that the log dropped before they were stored.",
            registry=registry,
        )
        self.held = Gauge(
            "madang_history_shard_held",
            "1 for a shard of the log that this replica brings into the store, 0 for any other.",
            ["shard"],
            registry=registry,
        )
        self.stored_offset = Gauge(
            "madang_history_stored_offset",
            "Offset up to which a shard of the log is stored.",
            ["shard"],
            registry=registry,
        )
        self.end_offset = Gauge(
            "madang_history_end_offset",
            "Offset at which a shard of the log ends.",
            ["shard"],
            registry=registry,
        )
        self.behind = Gauge(
            "madang_history_behind_seconds",
            "Age of the oldest event that was read from a shard of the log and is not stored yet.",
            ["shard"],
            registry=registry,
        )

    def forget(self, shard: int) -> None:
        """Tell nothing more of a shard that another replica has now."""
        for gauge in (self.stored_offset, self.end_offset, self.behind):
            gauge.remove(shard)
