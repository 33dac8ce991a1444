"""The gateway's metrics, by topic."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from madang_common.metrics import QuickHistogram

_LATENCY = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class _Connections:
    """Connections and upgrades."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.connections = Gauge(
            "madang_gateway_connections", "WebSocket connections open now.", registry=registry
        )
        self.upgrades_refused = Counter(
            "madang_gateway_upgrades_refused_total",
            "WebSocket upgrades refused, by status and reason.",
            ["status", "reason"],
            registry=registry,
        )
        self.closed = Counter(
            "madang_gateway_connections_closed_total",
            "Connections closed, by close code.",
            ["code"],
            registry=registry,
        )
        self.draining = Gauge(
            "madang_gateway_draining",
            "1 while this gateway drains its connections, else 0.",
            registry=registry,
        )
        self.drained = Counter(
            "madang_gateway_connections_drained_total",
            "Connections closed by a drain.",
            registry=registry,
        )


class _Frames:
    """Frames from clients."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rests = Counter(
            "madang_gateway_reading_rests_total",
            "Times that reading from a connection paused because its allowance was used up.",
            registry=registry,
        )
        self.subscriptions = Gauge(
            "madang_gateway_subscriptions", "Subscriptions open now.", registry=registry
        )
        self.sends = Counter(
            "madang_gateway_sends_total",
            "Messages sent on this gateway that came back from the log.",
            registry=registry,
        )
        self.receipt_seconds = QuickHistogram(
            "madang_gateway_receipt_seconds",
            "Time from a SEND until its event came back from the log.",
            registry=registry,
            buckets=_LATENCY,
        )


class _Output:
    """Messages to clients, and slow consumers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deliveries = Counter(
            "madang_gateway_deliveries_total", "MESSAGE frames sent.", registry=registry
        )
        self.resumed = Counter(
            "madang_gateway_resumed_events_total",
            "Events replayed to resumed subscriptions.",
            registry=registry,
        )
        self.resumes = Counter(
            "madang_gateway_resumes_total",
            "Resumed subscriptions, by the source of the replay.",
            ["source"],
            registry=registry,
        )
        self.notices_dropped = Counter(
            "madang_gateway_notices_dropped_total",
            "Live events dropped for connections that are behind.",
            registry=registry,
        )
        self.slow_closes = Counter(
            "madang_gateway_slow_closes_total",
            "Connections closed because too many bytes were buffered, by cause.",
            ["cause"],
            registry=registry,
        )


class _Log:
    """Appends to the log and its consumption."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.log_connected = Gauge(
            "madang_gateway_log_connected",
            "1 while there is a connection on which the log is read, else 0.",
            registry=registry,
        )
        self.append_waiting_bytes = Gauge(
            "madang_gateway_append_waiting_bytes", "Bytes that wait for the log.", registry=registry
        )
        self.append_seconds = QuickHistogram(
            "madang_gateway_append_seconds",
            "Time from the queueing of an event until its batch is confirmed.",
            registry=registry,
            buckets=_LATENCY,
        )
        self.events = Counter(
            "madang_gateway_events_total", "Events consumed from the log.", registry=registry
        )
        self.duplicates = Counter(
            "madang_gateway_duplicates_total",
            "Duplicates of an event, ignored.",
            registry=registry,
        )
        self.barred = Counter(
            "madang_gateway_barred_total",
            "Messages after the end of their sender's membership, ignored.",
            registry=registry,
        )
        self.unreadable = Counter(
            "madang_gateway_unreadable_total",
            "Lines of the log that are not a valid event.",
            registry=registry,
        )
        self.log_gaps = Counter(
            "madang_gateway_log_gaps_total",
            "Times that the log dropped batches before this gateway read them; all clients resume.",
            registry=registry,
        )
        self.log_behind = Gauge(
            "madang_gateway_log_behind_batches",
            "Batches of a shard that this gateway has not read yet; NaN if not known.",
            ["shard"],
            registry=registry,
        )


class _RecentEvents:
    """The recent events and the states of messages in memory."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tail_bytes = Gauge(
            "madang_gateway_tail_bytes", "Bytes of recent events in memory.", registry=registry
        )
        self.tail_reach_seconds = Gauge(
            "madang_gateway_tail_reach_seconds",
            "Age up to which all recent events are in memory; older resumes read history.",
            registry=registry,
        )
        self.message_lookups = Counter(
            "madang_gateway_message_lookups_total",
            "Messages looked up that were not cached, by where they were found.",
            ["source"],
            registry=registry,
        )
        self.message_state_bytes = Gauge(
            "madang_gateway_message_state_bytes",
            "Bytes of the cached states of messages, estimated.",
            registry=registry,
        )
        self.redactions = Counter(
            "madang_gateway_redactions_total",
            "Deletions, and edits after one, whose content was removed from the recent events.",
            registry=registry,
        )


class _Presence:
    """Presence on this gateway and its store."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.presence_here = Gauge(
            "madang_gateway_presence_here",
            "Users present on this gateway, counted once per room.",
            registry=registry,
        )
        self.presence_failures = Counter(
            "madang_gateway_presence_failures_total",
            "Times that the presence store did not answer.",
            registry=registry,
        )
        self.presence_heals = Counter(
            "madang_gateway_presence_heals_total",
            "Times that all entries were written to the presence store again.",
            registry=registry,
        )
        self.presence_cleared = Counter(
            "madang_gateway_presence_cleared_total",
            "Entries of dead gateways that this gateway removed from the presence store.",
            registry=registry,
        )


class Metrics(_Connections, _Frames, _Output, _Log, _RecentEvents, _Presence):
    """The gateway's metrics, all prefixed `madang_gateway_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        _Connections.__init__(self, registry)
        _Frames.__init__(self, registry)
        _Output.__init__(self, registry)
        _Log.__init__(self, registry)
        _RecentEvents.__init__(self, registry)
        _Presence.__init__(self, registry)
