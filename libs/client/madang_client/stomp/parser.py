"""Incremental parser for STOMP 1.2: bytes in, frames out."""

import re
from dataclasses import dataclass

from madang_client.errors import ProtocolError
from madang_client.stomp.frame import UNESCAPED, Frame

_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_MEANINGS = {"\\": "\\", "r": "\r", "n": "\n", "c": ":"}
_BLANK_LINES = (b"\n\n", b"\n\r\n")


@dataclass(frozen=True, slots=True)
class Limits:
    """Size limits of one frame."""

    head_bytes: int = 65_536
    body_bytes: int = 1_048_576


class Parser:
    """Buffers bytes and returns complete frames; unusable after a ProtocolError."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._head: Frame | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that `data` completes; raise ProtocolError on malformed input."""
        self._buffer += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        if self._head is None:
            self._skip_heartbeats()
            self._head = self._take_head()
        if self._head is None:
            return None
        body = self._take_body(self._head)
        if body is None:
            return None
        frame = Frame(self._head.command, self._head.headers, body)
        self._head = None
        return frame

    def _skip_heartbeats(self) -> None:
        end = 0
        while self._buffer.startswith((b"\n", b"\r\n"), end):
            end += 1 if self._buffer[end] == 0x0A else 2  # noqa: PLR2004 - a line feed
        if end:
            del self._buffer[:end]
            self._searched = 0

    def _take_head(self) -> Frame | None:
        ends = [
            (at, len(blank))
            for blank in _BLANK_LINES
            if (at := self._buffer.find(blank, self._searched)) >= 0
        ]
        if not ends:
            self._searched = max(0, len(self._buffer) - 2)
            self._check(len(self._buffer), self._limits.head_bytes)
            return None
        at, blank_bytes = min(ends)
        self._check(at, self._limits.head_bytes)
        head = read_head(bytes(self._buffer[:at]))
        self._cut(at + blank_bytes)
        return head

    def _take_body(self, head: Frame) -> bytes | None:
        length = _content_length(head)
        if length is None:
            end = self._buffer.find(0, self._searched)
            self._searched = len(self._buffer)
            self._check(end if end >= 0 else len(self._buffer), self._limits.body_bytes)
        else:
            self._check(length, self._limits.body_bytes)
            end = length if len(self._buffer) > length else -1
            if end >= 0 and self._buffer[end]:
                raise ProtocolError("a frame's body does not end at its content-length")
        if end < 0:
            return None
        body = bytes(self._buffer[:end])
        self._cut(end + 1)
        return body

    def _cut(self, size: int) -> None:
        del self._buffer[:size]
        self._searched = 0

    @staticmethod
    def _check(size: int, limit: int) -> None:
        if size > limit:
            raise ProtocolError(f"a frame exceeds the limit of {limit} bytes")


def read_head(head: bytes) -> Frame:
    """Return the command and headers in `head`."""
    if b"\0" in head:
        raise ProtocolError("a frame ends within its headers")
    try:
        command, *lines = head.decode().split("\n")
    except UnicodeDecodeError as error:
        raise ProtocolError("a frame's headers are not UTF-8") from error
    command = command.removesuffix("\r")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.removesuffix("\r").partition(":")
        if not colon:
            raise ProtocolError(f"a header without a colon: {name[:80]!r}")
        if command not in UNESCAPED:
            name, value = _unescape(name), _unescape(value)
        headers.setdefault(name, value)
    return Frame(command, headers)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def meaning(found: re.Match[str]) -> str:
        try:
            return _MEANINGS[found[1]]
        except KeyError:
            raise ProtocolError(f"STOMP 1.2 has no escape {found[0]!r}") from None

    return _ESCAPE.sub(meaning, text)


def _content_length(head: Frame) -> int | None:
    text = head.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(2**63)):
        raise ProtocolError(f"not a content-length: {text[:80]!r}")
    return int(text)
