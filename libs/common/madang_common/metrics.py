"""Prometheus metrics that all services share, and merged registries."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from madang_common.health import Health

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpMetrics:
    """REST requests of one service; unknown methods are labelled `other`."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        self._service = service
        self._seconds = Histogram(
            "madang_http_request_seconds",
            "Time from a request's first byte to its response's end.",
            ["service", "method", "route", "status"],
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self._series: dict[tuple[str, str, int], Histogram] = {}
        """By method, route and status: `labels` takes as long as `observe`."""
        self._running = 0
        Gauge(
            "madang_http_requests_running",
            "Requests being answered now.",
            ["service"],
            registry=registry,
        ).labels(service).set_function(lambda: self._running)
        self._failed = Counter(
            "madang_http_requests_failed_total",
            "Requests that ended in an unexpected exception.",
            ["service"],
            registry=registry,
        ).labels(service)

    def started(self) -> None:
        """Count the start of a request."""
        self._running += 1

    def ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count the end of a request; `route` is the path's template, which bounds the labels."""
        self._running -= 1
        method = method if method in _METHODS else "other"
        series = self._series.get((method, route, status))
        if series is None:
            series = self._seconds.labels(self._service, method, route, status)
            self._series[method, route, status] = series
        series.observe(seconds)

    def failed(self) -> None:
        """Count an unexpected exception, answered with a 500."""
        self._failed.inc()


class DependencyMetrics:
    """Whether the dependencies of one service answer."""

    def __init__(self, registry: CollectorRegistry, service: str, health: Health) -> None:
        self._service = service
        self._health = health
        self._up = Gauge(
            "madang_dependency_up",
            "Whether the dependency answered the last check, 1 or 0.",
            ["service", "dependency"],
            registry=registry,
        )

    async def update(self) -> None:
        """Set the metric from a check of the dependencies within the last second."""
        for dependency, up in (await self._health.up()).items():
            self._up.labels(self._service, dependency).set(up)


class RevocationMetrics:
    """Revoked sessions that one service received from auth."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        self._revoked = Counter(
            "madang_revocations_total",
            "Revocations of sessions received from auth.",
            ["service"],
            registry=registry,
        ).labels(service)
        self._polled = Gauge(
            "madang_revocations_heard_timestamp_seconds",
            "Time of auth's last response with revocations, 0 if there was none.",
            ["service"],
            registry=registry,
        ).labels(service)

    def revoked(self) -> None:
        """Count a revocation."""
        self._revoked.inc()

    def polled(self, now: float) -> None:
        """Set the time of auth's last response, in seconds since the epoch."""
        self._polled.set(now)


class LogMetrics:
    """Whether one service may use the chat log."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        self.lost = Gauge(
            "madang_log_lost",
            "1 while the log's streams do not exist any more, or end before what was read; else 0.",
            ["service"],
            registry=registry,
        ).labels(service)
        self.ended = Gauge(
            "madang_log_ended",
            "1 once the log epoch of this process has ended; else 0.",
            ["service"],
            registry=registry,
        ).labels(service)
        self.verified = Gauge(
            "madang_log_verified",
            "1 once history has confirmed that this is the current log; else 0.",
            ["service"],
            registry=registry,
        ).labels(service)


class QuickHistogram(Collector):
    """A histogram without labels for hot paths; not thread-safe."""

    def __init__(
        self,
        name: str,
        documentation: str,
        *,
        registry: CollectorRegistry,
        buckets: Sequence[float],
    ) -> None:
        """Use `buckets`, ascending upper bounds; a last bucket has no bound."""
        self._name = name
        self._documentation = documentation
        self._bounds = tuple(map(float, buckets))
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, amount: float) -> None:
        """Count `amount`."""
        self._counts[bisect_left(self._bounds, amount)] += 1
        self._sum += amount

    @override
    def collect(self) -> Iterable[Metric]:
        bounds = [*map(str, self._bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets, self._sum)


class Merged(Collector):
    """Several registries as one; families of the same name are joined."""

    def __init__(self, registries: Sequence[CollectorRegistry]) -> None:
        self._registries = registries

    @override
    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for registry in self._registries:
            for family in registry.collect():
                known = families.setdefault(family.name, family)
                if known is not family:
                    known.samples.extend(family.samples)
        return families.values()
