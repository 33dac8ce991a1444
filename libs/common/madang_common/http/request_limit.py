"""Rate limits of REST requests to one process, by user and by address.

The middleware here charges each request to its address, and `security` charges it to its user once
the token is verified. The token buckets are in memory, and their number is bounded.
"""

import asyncio
import time
from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from madang_common.clock import MonotonicClock
from madang_common.http import raw_headers
from madang_common.http.forwarded import site
from madang_common.http.responses import refuse
from madang_common.problems import TooManyRequests
from madang_common.settings import CommonSettings
from madang_common.token_bucket import Bucket, Buckets, Rate

_MAX_BUCKETS = 50_000
_SCOPE_KEY = "madang.requests"
"""Key of a scope for the allowance that its request is charged to."""
_INSIDE = ("/internal/", "/health/", "/metrics")
"""Paths that the proxy in front of separate processes does not forward; other services and probes
use them, from few addresses."""
_BUSY_SECONDS = 1.0
_HOLD_SECONDS = 0.25
_METRICS = "/metrics"
_METRICS_COST = 20.0
"""Cost of a request of `/metrics` in requests, where it is public."""
_BODY_BYTES = 4096
"""Bytes of a body that cost as much as a request."""


class RequestAllowance:
    """Token buckets of users and addresses, and the number of running requests by address."""

    def __init__(self, settings: CommonSettings, *, clock: MonotonicClock = time.monotonic) -> None:
        per_user = Rate(settings.requests_per_second_per_user, settings.requests_burst_per_user)
        per_address = Rate(
            settings.requests_per_second_per_address, settings.requests_burst_per_address
        )
        self._users = Buckets(per_user, capacity=_MAX_BUCKETS)
        self._addresses = Buckets(per_address, capacity=_MAX_BUCKETS)
        self._max_running = settings.requests_running_per_address
        self._running: Counter[str] = Counter()
        self._clock = clock

    def begin(self, address: str, more: float = 0) -> str:
        """Charge `1 + more` requests to `address`; return what `end` needs.

        The request counts as running until `end`. Raise TooManyRequests if the address exceeds a
        limit.
        """
        subject = site(address)
        self._take(self._addresses, subject, "your address").spend(more)
        if self._running[subject] >= self._max_running:
            raise TooManyRequests(
                "Too many requests from your address are running; wait for their responses.",
                retry_after_seconds=_BUSY_SECONDS,
            )
        self._running[subject] += 1
        return subject

    def end(self, subject: str) -> None:
        """End a request that has begun."""
        self._running[subject] -= 1
        if not self._running[subject]:
            del self._running[subject]

    def charge_user(self, user: str) -> None:
        """Charge a request to `user`; raise TooManyRequests if that exceeds the limit."""
        self._take(self._users, user, "you")

    def _take(self, buckets: Buckets, subject: str, whose: str) -> Bucket:
        """Take a token of `subject`, and return their bucket."""
        bucket = buckets.of(subject)
        seconds = bucket.take(self._clock())
        if seconds:
            raise TooManyRequests(
                f"Too many requests from {whose}; retry later.", retry_after_seconds=seconds
            )
        return bucket


class LimitRequests:
    """Charges each request from outside to its address.

    The allowance is the one that `charged_to` put into the scope, or else this app's own.
    """

    def __init__(self, app: ASGIApp, settings: CommonSettings) -> None:
        self._app = app
        self._own = RequestAllowance(settings)
        self._max_body_bytes = settings.request_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _SCOPE_KEY not in scope:
            inside = scope["path"].startswith(_INSIDE)
            scope[_SCOPE_KEY] = None if inside else self._own
        allowance: RequestAllowance | None = scope[_SCOPE_KEY]
        if allowance is None:
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        address = client[0] if client else ""
        try:
            subject = allowance.begin(address, self._surcharge(scope))
        except TooManyRequests as problem:
            await hold()
            await refuse(problem, scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            allowance.end(subject)

    def _surcharge(self, scope: Scope) -> float:
        """Return the surcharge for the path and the body.

        A body counts by its Content-Length; without one, as the largest allowed.
        """
        if scope["path"] == _METRICS:
            return _METRICS_COST
        length = raw_headers.content_length(scope)
        if raw_headers.first_value(scope, b"transfer-encoding") is not None:
            length = self._max_body_bytes
        return min(length, self._max_body_bytes) / _BODY_BYTES


async def hold() -> None:
    """Delay a refusal, which slows down clients that retry at once."""
    await asyncio.sleep(_HOLD_SECONDS)


def charged_to(app: ASGIApp, allowance: RequestAllowance | None) -> ASGIApp:
    """Return `app` with its requests charged to `allowance`, or to none."""

    async def charged(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, _SCOPE_KEY: allowance}, receive, send)

    return charged


async def charge_user(scope: Scope, user: str) -> None:
    """Charge the request of `scope` to `user`; raise TooManyRequests if that exceeds the limit."""
    allowance: RequestAllowance | None = scope.get(_SCOPE_KEY)
    if allowance is None:
        return
    try:
        allowance.charge_user(user)
    except TooManyRequests:
        await hold()
        raise
