"""HTTP as uvicorn speaks it, with the bounds that a proxy in front would set."""

import asyncio
from typing import ClassVar

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HttpProtocol(HttpToolsProtocol):
    """A connection whose requests come whole in time, with heads that end.

    uvicorn waits for ever and keeps whatever comes before the blank line.
    """

    head_bytes: ClassVar[int]
    seconds: ClassVar[float]

    _head = 0
    """Bytes that came since the last request, its body among them."""
    _awaiting_head = True
    _deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        self._expect_request()
        self._head += len(data)
        super().data_received(data)
        if self._awaiting_head and self._head > self.head_bytes:
            self.send_400_response("The head of the request is too large.")

    @override
    def handle_websocket_upgrade(self) -> None:
        self._expect_nothing()
        super().handle_websocket_upgrade()

    @override
    def on_headers_complete(self) -> None:
        self._awaiting_head = False
        super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        self._expect_nothing()
        self._head = 0
        self._awaiting_head = True
        super().on_message_complete()

    def _expect_request(self) -> None:
        """Let go of the client unless the rest of a request comes in time."""
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.seconds, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def http_protocol(*, within_head_bytes: int, within_seconds: float) -> type[HttpProtocol]:
    """Return the protocol class for uvicorn's `http=` with those bounds."""

    class BoundHttpProtocol(HttpProtocol):
        head_bytes = within_head_bytes
        seconds = within_seconds

    return BoundHttpProtocol
