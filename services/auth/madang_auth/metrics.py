"""Metrics of auth."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

LoginResult = Literal["ok", "wrong", "disabled", "throttled", "failed"]
RefreshResult = Literal[
    "rotated", "repeated", "reused", "unknown", "disabled", "throttled", "failed"
]
HashRefusal = Literal["address", "all", "displaced", "deadline"]
"""Why a password was not hashed: the queue of its address or of all was full, another address
displaced it, or its wait exceeded the deadline."""
EndReason = Literal["logout", "ended", "reuse", "password", "disabled", "surplus"]
"""Why a session ended."""


class KeyMetrics(Collector):
    """The signing keys that this replica uses, and whether those in the folder are invalid."""

    def __init__(
        self,
        registry: CollectorRegistry,
        uses: Callable[[], Mapping[str, str]],
        is_refused: Callable[[], bool],
    ) -> None:
        """Read them at each scrape; `uses` are by `kid`, bounded by the files in the folder."""
        self._uses = uses
        self._is_refused = is_refused
        registry.register(self)

    @override
    def collect(self) -> Iterator[Metric]:
        keys = GaugeMetricFamily(
            "madang_auth_signing_key",
            "1 for each published key; its use is `signs` or, if it does not sign, `published`.",
            labels=["kid", "use"],
        )
        for kid, use in self._uses().items():
            keys.add_metric([kid, use], 1)
        yield keys
        yield GaugeMetricFamily(
            "madang_auth_signing_keys_unusable",
            "Whether the keys in the folder are invalid, so that earlier ones are used, 1 or 0.",
            value=self._is_refused(),
        )


class AuthMetrics:
    """Registrations, logins, refreshes, tokens, refusals and the cost of hashing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registrations = Counter(
            "madang_auth_registrations_total", "Users registered.", registry=registry
        )
        self._logins = Counter(
            "madang_auth_logins_total", "Attempts to log in.", ["result"], registry=registry
        )
        self._refreshes = Counter(
            "madang_auth_refreshes_total",
            "Refresh tokens presented.",
            ["result"],
            registry=registry,
        )
        self._unchecked = Counter(
            "madang_auth_refreshes_unchecked_total",
            "Refreshes granted without an answer of rooms about the user.",
            registry=registry,
        )
        self._ended = Counter(
            "madang_auth_logins_ended_total", "Sessions ended.", ["reason"], registry=registry
        )
        self._tokens = Counter(
            "madang_auth_tokens_issued_total", "Tokens signed.", ["audience"], registry=registry
        )
        self._throttled = Counter(
            "madang_auth_throttled_total",
            "Attempts refused by a rate limit.",
            ["what"],
            registry=registry,
        )
        self._hash_seconds = Histogram(
            "madang_auth_password_hash_seconds",
            "Time to hash or verify a password, its wait for a worker included.",
            ["operation"],
            registry=registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self._hashes_refused = Counter(
            "madang_auth_password_hashes_refused_total",
            "Passwords that were not hashed because too many waited.",
            ["reason"],
            registry=registry,
        )
        self._hashes_waiting = Gauge(
            "madang_auth_password_hashes_waiting",
            "Passwords being hashed or waiting for it.",
            registry=registry,
        )

    def registered(self) -> None:
        """Count a new user."""
        self._registrations.inc()

    def login(self, result: LoginResult) -> None:
        """Count an attempt to log in."""
        self._logins.labels(result).inc()

    def refresh(self, result: RefreshResult) -> None:
        """Count a presented refresh token."""
        self._refreshes.labels(result).inc()

    def unchecked(self) -> None:
        """Count a refresh without an answer of rooms."""
        self._unchecked.inc()

    def ended(self, reason: EndReason) -> None:
        """Count a session that ended before it expired."""
        self._ended.labels(reason).inc()

    def issued(self, audience: Literal["users", "services"]) -> None:
        """Count a signed token."""
        self._tokens.labels(audience).inc()

    def throttled(self, what: str) -> None:
        """Count an attempt refused by the limit `what`."""
        self._throttled.labels(what).inc()

    def hash_refused(self, reason: HashRefusal) -> None:
        """Count a password that was refused a worker."""
        self._hashes_refused.labels(reason).inc()

    @contextmanager
    def hashing(self, operation: Literal["hash", "verify"]) -> Iterator[None]:
        """Time a hash, its wait for a worker included."""
        with (
            self._hashes_waiting.track_inprogress(),
            self._hash_seconds.labels(operation).time(),
        ):
            yield
