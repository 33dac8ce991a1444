"""Timeouts of one HTTP connection: for whole requests, and for clients that read too slowly."""

import asyncio

_MIN_READ_BYTES = 65_536
"""Bytes of a response that a client must read within the timeout."""


class RequestTimeout:
    """Closes a connection on which a request stays incomplete for too long."""

    __slots__ = ("_handle",)

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def start(self, transport: asyncio.Transport, seconds: float) -> None:
        """Close `transport` after `seconds`, unless stopped before; does not restart."""
        if self._handle is None:
            loop = asyncio.get_running_loop()
            self._handle = loop.call_later(seconds, transport.close)

    def stop(self) -> None:
        """Cancel the timeout."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class SlowReaderTimeout:
    """Aborts a connection whose client reads less than `_MIN_READ_BYTES` within the timeout."""

    __slots__ = ("_handle", "_unsent")

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None
        self._unsent = 0
        """Bytes in the write buffer at the last check."""

    def start(self, transport: asyncio.Transport, seconds: float) -> None:
        """Check the write buffer of `transport` every `seconds` until stopped."""
        self._unsent = transport.get_write_buffer_size()
        self._schedule(transport, seconds)

    def stop(self) -> None:
        """Cancel the checks."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _schedule(self, transport: asyncio.Transport, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(seconds, self._check, transport, seconds)

    def _check(self, transport: asyncio.Transport, seconds: float) -> None:
        unsent = transport.get_write_buffer_size()
        if self._unsent - unsent < _MIN_READ_BYTES:
            transport.abort()
            return
        self._unsent = unsent
        self._schedule(transport, seconds)
