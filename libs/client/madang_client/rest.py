"""Requests to the REST interface."""

from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
import orjson

from madang_client.errors import NotReachable, ProtocolError
from madang_client.problem import refusal
from madang_client.transport import open_transport

AUTH = "/api/auth/v1"
ROOMS = "/api/rooms/v1"
HISTORY = "/api/history/v1"
GATEWAY = "/api/gateway/v1"


class Rest:
    """Sends requests to one server and raises errors for refusals."""

    def __init__(
        self,
        server: str,
        *,
        timeout_seconds: float = 15.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Use a server such as `https://chat.example.org`; `transport` replaces the network."""
        self.server = checked_server(server)
        self._client = httpx.AsyncClient(
            base_url=self.server,
            timeout=timeout_seconds,
            transport=transport or open_transport(self.server),
        )

    @property
    def chat_url(self) -> str:
        """URL of the server's WebSocket."""
        return f"ws{self.server.removeprefix('http')}/ws"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        json: Any = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        """Return the response's JSON, None if empty; raise NotReachable or Refused."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        given = {name: value for name, value in (params or {}).items() if value is not None}
        try:
            response = await self._client.request(
                method, path, json=json, params=given, headers=headers
            )
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise NotReachable(f"{self.server} does not answer: {reason}") from error
        if not response.is_success:
            raise refusal(
                response.content,
                status=response.status_code,
                retry_after=response.headers.get("Retry-After"),
                reason=f"{response.status_code} {response.reason_phrase}",
            )
        if not response.content:
            return None
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            raise ProtocolError(f"{self.server}{path} does not answer in JSON") from error


def segment(text: str) -> str:
    """Return `text` as one segment of a path."""
    # Clients remove "." and ".." segments even if quoted (RFC 3986 section 5.2.4).
    return quote(text, safe="") if text not in {"", ".", ".."} else "-"


def checked_server(server: str) -> str:
    """Return the server's URL without a trailing slash; raise ValueError if it is invalid."""
    server = server.rstrip("/")
    parts = urlsplit(server)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise ValueError(f"not a server's URL: {server!r}; one is http://127.0.0.1:8000")
    return server
