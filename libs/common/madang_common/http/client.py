"""`create_client`: how one service calls another."""

from functools import cache

import httpx
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)
from typing_extensions import override

from madang_common.http import request_id
from madang_common.http.keepalive import CLIENT_KEEPALIVE_SECONDS
from madang_common.problems import Problem, Unavailable, from_document

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ATTEMPTS = 3


class Retrying(httpx.AsyncBaseTransport):
    """Tries again what is safe to try again: any request that never left, and reads."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        read = request.method in _SAFE_METHODS
        passing = httpx.TransportError if read else httpx.ConnectError
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(passing),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.05, max=0.5),
            reraise=True,
        ):
            with attempt:
                return await self._transport.handle_async_request(request)
        raise AssertionError("unreachable")

    @override
    async def aclose(self) -> None:
        await self._transport.aclose()


_certificates = cache(httpx.create_ssl_context)
"""Who is trusted over TLS; to read them takes 20 ms, and each reading half a megabyte."""


def create_client(
    base_url: str,
    *,
    auth: httpx.Auth | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    timeout_seconds: float = 5.0,
) -> httpx.AsyncClient:
    """Return a client for the service at `base_url`.

    It gives up after `timeout_seconds`, retries where that is safe, passes the request id on and
    follows no redirects. `transport` replaces the network, for services in the same process.
    """

    async def pass_request_id(request: httpx.Request) -> None:
        current = request_id.current()
        if current:
            request.headers[request_id.HEADER] = current

    limits = httpx.Limits(
        max_connections=100, max_keepalive_connections=20, keepalive_expiry=CLIENT_KEEPALIVE_SECONDS
    )
    return httpx.AsyncClient(
        base_url=base_url,
        auth=auth,
        transport=Retrying(
            transport or httpx.AsyncHTTPTransport(verify=_certificates(), limits=limits)
        ),
        timeout=timeout_seconds,
        event_hooks={"request": [pass_request_id]},
    )


async def call(
    client: httpx.AsyncClient, method: str, path: str, **options: object
) -> httpx.Response:
    """Send a request; raise the Problem that the other side answered, or Unavailable.

    A 5xx of the other service is Unavailable here: whose fault it is does not help the caller.
    """
    try:
        answer = await client.request(method, path, **options)  # type: ignore[arg-type]
    except httpx.HTTPError as error:
        raise Unavailable("A service behind this one does not answer; try again.") from error
    if answer.is_success:
        return answer
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Unavailable("A service behind this one failed; try again.")
    try:
        document = answer.json()
    except ValueError:
        document = {}
    problem: Problem = from_document(
        document if isinstance(document, dict) else {}, answer.status_code
    )
    raise problem
