"""What the gateway counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from madang_common.metrics import QuickHistogram

_LATENCY = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The gateway's metrics, all prefixed `madang_gateway_`."""

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
        self.refusals = Counter(
            "madang_gateway_refusals_total",
            "Frames refused, by kind of problem.",
            ["problem"],
            registry=registry,
        )
        self.receipt_seconds = QuickHistogram(
            "madang_gateway_receipt_seconds",
            "Time from a SEND until its event came back from the log.",
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
        self.unreadable = Counter(
            "madang_gateway_unreadable_total",
            "Lines of the log that are no event.",
            registry=registry,
        )
        self.deliveries = Counter(
            "madang_gateway_deliveries_total", "MESSAGE frames handed out.", registry=registry
        )
        self.notices_dropped = Counter(
            "madang_gateway_notices_dropped_total",
            "Live notices dropped for readers that are behind.",
            registry=registry,
        )
        self.resumes = Counter(
            "madang_gateway_resumes_total",
            "Subscriptions that asked for what they missed, by where it came from.",
            ["source"],
            registry=registry,
        )
        self.tail_bytes = Gauge(
            "madang_gateway_tail_bytes", "Bytes of newest events in memory.", registry=registry
        )
        self.append_waiting_bytes = Gauge(
            "madang_gateway_append_waiting_bytes", "Bytes that wait for the log.", registry=registry
        )
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
