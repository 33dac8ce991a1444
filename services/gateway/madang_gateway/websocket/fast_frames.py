"""Fast path for complete, masked data frames; everything else goes to `websockets.Protocol`.

Nearly all frames take the fast path, which only removes the mask (RFC 6455 section 5.3). Control
frames, fragments and invalid frames go to the protocol byte for byte.
"""

import sys
from collections.abc import Iterator
from typing import Final

from websockets.frames import Opcode

try:
    from websockets.speedups import apply_mask
except ImportError:  # where websockets was built without a C compiler
    from websockets.utils import apply_mask

_FIN = 0x80
TEXT: Final = _FIN | Opcode.TEXT
BINARY: Final = _FIN | Opcode.BINARY
_MESSAGES = frozenset({TEXT, BINARY})
OTHER: Final = 0
"""Kind of bytes for the protocol."""

_OPCODE = 0x0F
_MASKED = 0x80
_LENGTH = 0x7F
_IN_TWO_BYTES, _IN_EIGHT_BYTES = 126, 127
_MASK_BYTES = 4
_LEAST = 2
_SHORT_HEAD, _MEDIUM_HEAD, _LONG_HEAD = 2 + _MASK_BYTES, 4 + _MASK_BYTES, 10 + _MASK_BYTES


class FastFrames:
    """Splits received bytes into complete messages and bytes for the protocol."""

    __slots__ = ("_at", "_data", "_fragmented", "_limit", "_needed", "_owed", "incomplete")

    def __init__(self, limit_bytes: int) -> None:
        """Leave messages of more than `limit_bytes` to the protocol, which refuses them."""
        self._limit = limit_bytes
        self._data = b""
        self._at = 0
        """Start of the first frame in `_data` that was not taken yet."""
        self.incomplete: bytearray | None = None
        """The beginning of a frame whose rest has not been received."""
        self._needed = 0
        """Bytes that the incomplete frame needs at least."""
        self._owed = 0
        """Bytes still to be received of a frame for the protocol."""
        self._fragmented = False
        """Whether the protocol is reading a fragmented message."""

    @property
    def unread_bytes(self) -> int:
        """Bytes received and not taken yet, or of an incomplete frame."""
        incomplete = 0 if self.incomplete is None else len(self.incomplete)
        return len(self._data) - self._at + incomplete

    def receive(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield TEXT or BINARY with a message, or OTHER with bytes for the protocol, in order.

        Items that are not taken come with the next call.
        """
        if self._at < len(self._data):
            data = self._data[self._at :] + data
        elif self.incomplete is not None and data:
            self.incomplete += data
            if len(self.incomplete) < self._needed:
                return
            data, self.incomplete = bytes(self.incomplete), None
        self._data, self._at = data, 0
        if self._owed and data:
            self._at = min(self._owed, len(data))
            self._owed -= self._at
            yield OTHER, data[: self._at]
        yield from self._frames(data, self._at)

    def _frames(self, data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
        """Yield the frames from `at` on; keep the beginning of an incomplete one."""
        end = len(data)
        after = at + _SHORT_HEAD
        while end - at >= _LEAST:
            first, second = data[at], data[at + 1]
            length, body = second & _LENGTH, at + _SHORT_HEAD
            if length >= _IN_TWO_BYTES:
                body = at + (_MEDIUM_HEAD if length == _IN_TWO_BYTES else _LONG_HEAD)
                length = int.from_bytes(data[at + 2 : body - _MASK_BYTES], "big")
            after = body + length
            if second < _MASKED or length > self._limit:
                # The protocol ends the connection; nothing after this frame is parsed.
                self._owed = sys.maxsize
                self._at = end
                yield OTHER, data[at:]
                return
            if body > end:
                break
            if self._fragmented or first not in _MESSAGES:
                if first & _OPCODE <= Opcode.BINARY:
                    self._fragmented = first < _FIN
                self._owed = max(after - end, 0)
                self._at = min(after, end)
                yield OTHER, data[at:after]
            elif after > end:
                break
            else:
                self._at = after
                yield first, apply_mask(data[body:after], data[body - _MASK_BYTES : body])
            at = after
            after += _SHORT_HEAD
        if at < end:
            self.incomplete, self._needed = bytearray(data[at:]), after - at
        self._data, self._at = b"", 0
