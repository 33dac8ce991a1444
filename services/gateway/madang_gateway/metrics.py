"""What the gateway counts, by topic."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from madang_common.metrics import QuickHistogram

_LATENCY = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class _Connections:
    """Connections come and go."""

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
            "1 from when this gateway was told to stop, else 0.",
            registry=registry,
        )
        self.drained = Counter(
            "madang_gateway_connections_drained_total",
            "Connections that were open when this gateway was told to stop, and sent elsewhere.",
            registry=registry,
        )


class _Frames:
    """What clients send, and what they are answered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rests = Counter(
            "madang_gateway_reading_rests_total",
            "Times that a connection sent frames too fast and was not read for a moment.",
            registry=registry,
        )
        self.subscriptions = Gauge(
            "madang_gateway_subscriptions", "Subscriptions open now.", registry=registry
        )
        self.sends = Counter(
            "madang_gateway_sends_total",
            "Messages sent here that came back from the log.",
            registry=registry,
        )
        self.receipt_seconds = QuickHistogram(
            "madang_gateway_receipt_seconds",
            "Time from a SEND until its event came back from the log.",
            registry=registry,
            buckets=_LATENCY,
        )


class _Readers:
    """What clients receive, and those that do not read it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.deliveries = Counter(
            "madang_gateway_deliveries_total", "MESSAGE frames handed out.", registry=registry
        )
        self.resumed = Counter(
            "madang_gateway_resumed_events_total",
            "MESSAGE frames handed out to subscriptions that missed them.",
            registry=registry,
        )
        self.resumes = Counter(
            "madang_gateway_resumes_total",
            "Subscriptions that asked for what they missed, by where it came from.",
            ["source"],
            registry=registry,
        )
        self.notices_dropped = Counter(
            "madang_gateway_notices_dropped_total",
            "Live notices dropped for readers that are behind.",
            registry=registry,
        )
        self.slow_closes = Counter(
            "madang_gateway_slow_closes_total",
            "Connections ended because too much waited: to be read, or to be acknowledged.",
            ["cause"],
            registry=registry,
        )


class _Log:
    """The log, written and followed."""

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
            "Time from when an event was ready for the log until its batch was confirmed.",
            registry=registry,
            buckets=_LATENCY,
        )
        self.events = Counter(
            "madang_gateway_events_total", "Events followed from the log.", registry=registry
        )
        self.duplicates = Counter(
            "madang_gateway_duplicates_total",
            "Second copies of an event, left out.",
            registry=registry,
        )
        self.barred = Counter(
            "madang_gateway_barred_total",
            "Messages after the end of their sender's membership, left out.",
            registry=registry,
        )
        self.unreadable = Counter(
            "madang_gateway_unreadable_total",
            "Lines of the log that are no event.",
            registry=registry,
        )
        self.log_gaps = Counter(
            "madang_gateway_log_gaps_total",
            "Times that the log dropped what was not seen here yet; everybody resumes then.",
            registry=registry,
        )
        self.log_behind = Gauge(
            "madang_gateway_log_behind_batches",
            "Batches of a shard of the log that this gateway has not seen yet; NaN if not known.",
            ["shard"],
            registry=registry,
        )


class _Tail:
    """The newest events in memory."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tail_bytes = Gauge(
            "madang_gateway_tail_bytes", "Bytes of newest events in memory.", registry=registry
        )
        self.tail_reach_seconds = Gauge(
            "madang_gateway_tail_reach_seconds",
            "How far back the events in memory reach; who was away for longer asks history.",
            registry=registry,
        )


class _Presence:
    """Who is here."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.presence_here = Gauge(
            "madang_gateway_presence_here",
            "Users present here, each once for every room they are in.",
            registry=registry,
        )
        self.presence_failures = Counter(
            "madang_gateway_presence_failures_total",
            "Times that the presence board did not answer.",
            registry=registry,
        )
        self.presence_heals = Counter(
            "madang_gateway_presence_heals_total",
            "Times that everything was written to the presence board again.",
            registry=registry,
        )
        self.presence_cleared = Counter(
            "madang_gateway_presence_cleared_total",
            "Users whom this gateway took off the presence board after their own had died.",
            registry=registry,
        )


class Metrics(_Connections, _Frames, _Readers, _Log, _Tail, _Presence):
    """The gateway's metrics, all prefixed `madang_gateway_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        _Connections.__init__(self, registry)
        _Frames.__init__(self, registry)
        _Readers.__init__(self, registry)
        _Log.__init__(self, registry)
        _Tail.__init__(self, registry)
        _Presence.__init__(self, registry)
