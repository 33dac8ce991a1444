"""Calls to the REST interface."""

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
    """Sends requests to one server and turns refusals into errors."""

    def __init__(
        self,
        server: str,
        *,
        timeout_seconds: float = 15.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Talk to a server such as `https://chat.example.org`; `transport` replaces the network."""
        self.server = checked_server(server)
        self._client = httpx.AsyncClient(
            base_url=self.server,
            timeout=timeout_seconds,
            transport=transport or open_transport(self.server),
        )

    @property
    def chat_url(self) -> str:
        """Return where this server's WebSocket is."""
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
        """Return the answer's JSON, or None if it has none; raise NotReachable or Refused."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        given = {name: value for name, value in (params or {}).items() if value is not None}
        try:
            answer = await self._client.request(
                method, path, json=json, params=given, headers=headers
            )
        except httpx.HTTPError as error:
            told = str(error) or type(error).__name__
            raise NotReachable(f"{self.server} does not answer: {told}") from error
        if not answer.is_success:
            raise refusal(
                answer.content,
                status=answer.status_code,
                retry_after=answer.headers.get("Retry-After"),
                reason=f"{answer.status_code} {answer.reason_phrase}",
            )
        if not answer.content:
            return None
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError as error:
            raise ProtocolError(f"{self.server}{path} does not answer in JSON") from error


def segment(text: str) -> str:
    """Return `text` as one segment of a path, whatever it holds."""
    # The two that a client resolves away however they are written (RFC 3986 section 5.2.4).
    return quote(text, safe="") if text not in {"", ".", ".."} else "-"


def checked_server(server: str) -> str:
    """Return the server's URL without a slash at its end; raise ValueError if it is none."""
    server = server.rstrip("/")
    parts = urlsplit(server)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise ValueError(f"not a server's URL: {server!r}; one is http://127.0.0.1:8000")
    return server
