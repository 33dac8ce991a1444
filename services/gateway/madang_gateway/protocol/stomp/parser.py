"""Parses bytes into frames, however the bytes are split.

| | fast path | general path |
| --- | --- | --- |
| method | `whole` | `receive` |
| parses | data that is exactly one frame with LF line ends and no NUL in its body | any bytes |
"""

import re
from collections.abc import Iterator

from madang_gateway.protocol.stomp.errors import Malformed, ProtocolError
from madang_gateway.protocol.stomp.frame import HEARTBEAT, Frame, HeartBeat
from madang_gateway.protocol.stomp.head import (
    body_too_large,
    content_length,
    head_too_large,
    line_too_long,
    read_head,
    too_many_headers,
)
from madang_gateway.protocol.stomp.limits import Limits

_LINE_ENDS = re.compile(rb"(?:\r?\n)+")
_LINE_END = b"\r\n"
_CUT_BLANK_LINE = 2
"""Bytes of an incomplete blank line."""
_LF_ONLY = {"1.0", "1.1"}


class Parser:
    """Buffers bytes and returns complete frames."""

    __slots__ = (
        "_buffer",
        "_frame",
        "_length",
        "_limits",
        "_lines",
        "_scanned",
        "_start",
        "_stopped",
        "version",
    )

    def __init__(self, limits: Limits) -> None:
        self.version: str | None = None
        """The negotiated version, None before; may be set between two frames."""
        self._limits = limits
        self._buffer: bytes | bytearray = b""
        self._start = 0
        """Start of the unparsed frame, or of its body if the head is parsed."""
        self._scanned = 0
        """End of the bytes that were already searched for the end of the head or body."""
        self._lines = 0
        """Line ends counted in the incomplete head."""
        self._frame: Frame | None = None
        """The frame whose body is incomplete."""
        self._length: int | None = None
        """The content-length of that body, or None."""
        self._stopped = False

    @property
    def unread_bytes(self) -> int:
        """Bytes of incomplete frames, and of frames not taken from the iterator."""
        return len(self._buffer) - self._start

    def receive(self, data: bytes | bytearray | memoryview) -> Iterator[Frame | HeartBeat]:
        """Add `data` and yield complete frames; raises ProtocolError after the last valid frame.

        Frames not taken from the iterator are yielded by the next call.
        """
        if not self._stopped:
            self._append(data if isinstance(data, bytes) else bytes(data))
        return self._frames()

    def whole(self, data: bytes) -> Frame | None:
        """Fast path of `receive` for data that is exactly one frame, with nothing buffered.

        None leaves `data`, of which nothing was taken, to `receive`.
        """
        if self._start < len(self._buffer) or self._frame is not None or self._stopped:
            return None
        end, last = data.find(b"\n\n"), len(data) - 1
        if end < 0 or data.find(0) != last or data.find(13, 0, end) >= 0:
            return None
        if last - end - 2 > self._limits.body_bytes:
            return None
        try:
            frame = read_head(data[:end], self.version, self._limits)
            length = content_length(frame, self._limits)
        except ProtocolError:
            return None
        frame.body = data[end + 2 : last]
        return frame if length is None or length == len(frame.body) else None

    def stop(self) -> None:
        """Drop all bytes and ignore further ones."""
        self._stopped = True
        self._frame = None
        self._buffer = b""
        self._start = self._scanned = 0

    def _append(self, data: bytes) -> None:
        if self._start == len(self._buffer):
            self._buffer = data
            self._start = self._scanned = 0
        else:
            self._keep_unread()
            self._buffer += data

    def _keep_unread(self) -> None:
        """Drop the parsed bytes; keep the rest in a bytearray, which is cheap to extend."""
        if isinstance(self._buffer, bytearray):
            del self._buffer[: self._start]
        else:
            self._buffer = bytearray(self._buffer[self._start :])
        self._scanned = max(self._scanned - self._start, 0)
        self._start = 0

    def _frames(self) -> Iterator[Frame | HeartBeat]:
        while self._start < len(self._buffer):
            try:
                item = self._next()
            except ProtocolError:
                self.stop()
                raise
            if item is None:
                self._keep_unread()
                return
            yield item
        self._buffer = b""
        self._start = self._scanned = 0

    def _next(self) -> Frame | HeartBeat | None:
        frame = self._frame
        if frame is None:
            if self._buffer[self._start] in _LINE_END and self._skip_line_ends():
                return HEARTBEAT
            frame = self._frame = self._read_head()
        if frame is None or not self._read_body(frame):
            return None
        self._frame = None
        return frame

    def _skip_line_ends(self) -> bool:
        found = _LINE_ENDS.match(self._buffer, self._start)
        if found is None:
            return False
        self._start = self._scanned = found.end()
        return True

    def _read_head(self) -> Frame | None:
        buffer = self._buffer
        start = max(self._scanned - _CUT_BLANK_LINE, self._start)
        nul = buffer.find(0, start)
        limit = len(buffer) if nul < 0 else nul
        end = buffer.find(b"\n\n", start, limit)
        body = end + 2
        if self.version not in _LF_ONLY:
            # The earlier of both blank lines ends the head.
            limit = limit if end < 0 else end + 1
            if buffer.find(13, start, limit) >= 0:
                found = buffer.find(b"\n\r\n", start, limit)
                if found >= 0:
                    end, body = found, found + 3
        if end < 0:
            if nul >= 0:
                raise Malformed("malformed frame", "No blank line ends the headers.")
            self._check_partial_head()
            return None
        frame = read_head(bytes(buffer[self._start : end]), self.version, self._limits)
        self._start = self._scanned = body
        self._lines = 0
        self._length = content_length(frame, self._limits)
        return frame

    def _check_partial_head(self) -> None:
        buffer, limits = self._buffer, self._limits
        self._lines += buffer.count(b"\n", self._scanned)
        if self._lines > limits.header_count + 1:
            raise too_many_headers(limits)
        if len(buffer) - self._start > limits.header_line_bytes:
            # Lines that ended before `_scanned` were short enough.
            line = max(buffer.rfind(b"\n", self._start, self._scanned) + 1, self._start)
            if max(map(len, buffer[line:].split(b"\n"))) > limits.header_line_bytes:
                raise line_too_long(limits)
        if len(buffer) - self._start > limits.head_bytes + _CUT_BLANK_LINE:
            raise head_too_large(limits)
        self._scanned = len(buffer)

    def _read_body(self, frame: Frame) -> bool:
        buffer, start = self._buffer, self._start
        if self._length is None:
            end = buffer.find(0, self._scanned)
            if (len(buffer) if end < 0 else end) - start > self._limits.body_bytes:
                raise body_too_large(self._limits, frame)
            if end < 0:
                self._scanned = len(buffer)
                return False
        else:
            end = start + self._length
            if end >= len(buffer):
                return False
            if buffer[end] != 0:
                raise Malformed(
                    "malformed frame",
                    f"No NUL follows the {self._length} bytes that content-length promises.",
                    receipt_id=frame.headers.get("receipt"),
                )
        frame.body = bytes(buffer[start:end])
        self._start = self._scanned = end + 1
        return True
