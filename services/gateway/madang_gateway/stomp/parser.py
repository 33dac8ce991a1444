"""Bytes to frames, for any way the bytes are cut."""

import re
from collections.abc import Iterator

from madang_gateway.stomp.errors import Malformed, ProtocolError, TooLarge
from madang_gateway.stomp.frame import HEARTBEAT, Frame, HeartBeat
from madang_gateway.stomp.headers import unescape
from madang_gateway.stomp.limits import Limits

_LINE_ENDS = re.compile(rb"(?:\r?\n)+")
_NEVER_ESCAPED = {"CONNECT", "STOMP", "CONNECTED"}
_LINE_END = b"\r\n"
_LENGTH_DIGITS = 15


class Parser:
    """Takes bytes as they come and gives the frames that are complete."""

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
        """The agreed version, or None before that; it may change between two frames."""
        self._limits = limits
        self._buffer: bytes | bytearray = b""
        self._start = 0
        """Where the unread frame begins, or its body if the head is read."""
        self._scanned = 0
        """Up to where the end of the head or body was looked for already."""
        self._lines = 0
        """Line ends of the unread head that were counted already."""
        self._frame: Frame | None = None
        """The frame whose body is still coming."""
        self._length: int | None = None
        """The content-length of that body, if it has one."""
        self._stopped = False

    def receive(self, data: bytes | bytearray | memoryview) -> Iterator[Frame | HeartBeat]:
        """Take `data` and yield what is complete; a ProtocolError comes after the last good frame.

        What is not taken from the iterator comes with the next call.
        """
        if not self._stopped:
            self._append(data if isinstance(data, bytes) else bytes(data))
        return self._frames()

    def stop(self) -> None:
        """Forget all bytes and take no more."""
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
        """Let go of what is read, and keep the rest in a buffer that grows cheaply."""
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
        if self._frame is None:
            if self._skip_line_ends():
                return HEARTBEAT
            self._frame = self._read_head()
        frame = self._frame
        if frame is None or not self._read_body(frame):
            return None
        self._frame = None
        return frame

    def _skip_line_ends(self) -> bool:
        buffer, start = self._buffer, self._start
        if buffer[start] not in _LINE_END:
            return False
        found = _LINE_ENDS.match(buffer, start)
        if found is None:
            return False
        self._start = self._scanned = found.end()
        return True

    def _read_head(self) -> Frame | None:
        end, body = self._find_blank_line()
        if end < 0:
            self._check_partial_head()
            return None
        frame = self._frame_of(bytes(self._buffer[self._start : end]))
        self._start = self._scanned = body
        self._lines = 0
        self._length = self._content_length(frame)
        return frame

    def _find_blank_line(self) -> tuple[int, int]:
        """Return where the head ends and where the body begins, or -1 twice."""
        buffer = self._buffer
        start = max(self._scanned - 2, self._start)  # the blank line may be cut anywhere
        nul = buffer.find(0, start)
        limit = len(buffer) if nul < 0 else nul
        end, body = buffer.find(b"\n\n", start, limit), 2
        if self.version is None or self.version == "1.2":
            found = buffer.find(b"\n\r\n", start, limit if end < 0 else end + 1)
            if found >= 0:
                end, body = found, 3
        if end < 0 <= nul:
            raise Malformed(
                "malformed frame", "The blank line between headers and body is missing."
            )
        return (end, end + body) if end >= 0 else (-1, -1)

    def _check_partial_head(self) -> None:
        buffer, limits = self._buffer, self._limits
        self._lines += buffer.count(b"\n", self._scanned)
        line = max(buffer.rfind(b"\n", self._start) + 1, self._start)
        if self._lines > limits.header_count + 1:
            raise _too_many_headers(limits)
        if len(buffer) - line > limits.header_line_bytes:
            raise _line_too_long(limits)
        if len(buffer) - self._start > limits.head_bytes:
            raise _head_too_large(limits)
        self._scanned = len(buffer)

    def _frame_of(self, head: bytes) -> Frame:
        self._check_head(head)
        try:
            text = head.decode()
        except UnicodeDecodeError:
            raise Malformed("malformed header", "Headers are not valid UTF-8.") from None
        if "\r" in text:
            text = self._without_carriage_returns(text)
        command, *lines = text.split("\n")
        try:
            headers: dict[str, str] = dict([line.split(":", 1) for line in lines])
        except ValueError:
            raise Malformed("malformed header", "A header has no colon.") from None
        if len(headers) != len(lines) or "\\" in text or self.version == "1.0":
            headers = self._read_headers(command, lines)
        if "" in headers:
            raise Malformed("malformed header", "A header has no name.")
        return Frame(command, headers)

    def _read_headers(self, command: str, lines: list[str]) -> dict[str, str]:
        """Return the headers where some repeat, or are escaped, or padded as in 1.0."""
        version = self.version
        escaped = version in {"1.1", "1.2"} and command not in _NEVER_ESCAPED
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            if escaped and version is not None:
                name, value = unescape(name, version), unescape(value, version)
            elif version == "1.0":
                value = value.strip(" ")
            headers.setdefault(name, value)
        return headers

    def _without_carriage_returns(self, text: str) -> str:
        if self.version in {"1.0", "1.1"}:
            return text
        text = "\n".join([line.removesuffix("\r") for line in text.split("\n")])
        if "\r" in text:
            raise Malformed("malformed header", "A carriage return stands inside a line.")
        return text

    def _check_head(self, head: bytes) -> None:
        limits = self._limits
        if len(head) > limits.head_bytes:
            raise _head_too_large(limits)
        if head.count(b"\n") > limits.header_count:
            raise _too_many_headers(limits)
        if len(head) > limits.header_line_bytes:
            longest = max(map(len, head.split(b"\n")))
            if longest > limits.header_line_bytes:
                raise _line_too_long(limits)

    def _content_length(self, frame: Frame) -> int | None:
        text = frame.headers.get("content-length")
        if text is None:
            return None
        number = text.strip(" ") if self.version is None else text
        if not (number.isascii() and number.isdigit() and len(number) <= _LENGTH_DIGITS):
            raise Malformed(
                "malformed content-length",
                f"content-length is a number of bytes, not {text[:40]!r}.",
                receipt_id=frame.headers.get("receipt"),
            )
        length = int(number)
        if length > self._limits.body_bytes:
            raise _body_too_large(self._limits, frame)
        return length

    def _read_body(self, frame: Frame) -> bool:
        buffer, start = self._buffer, self._start
        if self._length is None:
            end = buffer.find(0, self._scanned)
            if (len(buffer) if end < 0 else end) - start > self._limits.body_bytes:
                raise _body_too_large(self._limits, frame)
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


def _too_many_headers(limits: Limits) -> TooLarge:
    return TooLarge("too many headers", f"A frame may have {limits.header_count} headers.")


def _line_too_long(limits: Limits) -> TooLarge:
    return TooLarge("header too long", f"A header may have {limits.header_line_bytes} bytes.")


def _head_too_large(limits: Limits) -> TooLarge:
    return TooLarge("headers too large", f"All headers may have {limits.head_bytes} bytes.")


def _body_too_large(limits: Limits, frame: Frame) -> TooLarge:
    return TooLarge(
        "body too large",
        f"A body may have {limits.body_bytes} bytes.",
        receipt_id=frame.headers.get("receipt"),
    )
