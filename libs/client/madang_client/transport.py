"""HTTP connections to the server: keep-alive, proxies and retries."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from typing_extensions import override

from madang_client.errors import NotReachable

_KEEPALIVE_SECONDS = 30
"""Well below the 75 s of servers and proxies: a request on a connection that the server is closing
may or may not have been processed."""
_READS = frozenset({"GET", "HEAD"})


class RetryingTransport(httpx.AsyncBaseTransport):
    """Retries a request once after a connection error, if it is a read or was never sent."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        failures: type[httpx.TransportError] | tuple[type[httpx.TransportError], ...]
        failures = httpx.ConnectError
        if request.method in _READS:
            failures = (httpx.NetworkError, httpx.RemoteProtocolError)
        try:
            return await self._transport.handle_async_request(request)
        except failures:
            return await self._transport.handle_async_request(request)

    @override
    async def aclose(self) -> None:
        await self._transport.aclose()


def open_transport(server: str) -> httpx.AsyncBaseTransport:
    """Return the transport to `server`; raise NotReachable if its proxy cannot be used.

    httpx itself would open a transport for every proxy in the environment.
    """
    proxy = proxy_of(server)
    limits = httpx.Limits(keepalive_expiry=_KEEPALIVE_SECONDS)
    try:
        transport = httpx.AsyncHTTPTransport(proxy=proxy, limits=limits)
    except ImportError as error:
        raise NotReachable(
            f"the proxy {_shown(proxy)} needs the package socksio: pip install httpx[socks],"
            " or remove it from ALL_PROXY"
        ) from error
    except ValueError as error:
        raise NotReachable(f"the proxy {_shown(proxy)} cannot be used: {error}") from error
    return RetryingTransport(transport)


def proxy_of(server: str) -> str | None:
    """Return the proxy for `server` from the environment; None if there is none or by NO_PROXY."""
    parts = urlsplit(server)
    if proxy_bypass(parts.netloc) or proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"


def _shown(proxy: str | None) -> str:
    """Return a proxy's address without its password."""
    parts = urlsplit(proxy or "")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
