"""The WebSocket frames that no rule concerns: whole messages, masked, of a fair size.

Nearly all are like that, and all that is to be done for them is to take the mask off (RFC 6455
section 5.3). The others (control frames, fragments, whatever is wrong) are for websockets'
protocol, byte for byte, and it decides.
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
"""Stands for bytes that are for the protocol."""

_OPCODE = 0x0F
_MASKED = 0x80
_LENGTH = 0x7F
_IN_TWO_BYTES, _IN_EIGHT_BYTES = 126, 127
_MASK_BYTES = 4
_LEAST = 2
_SHORT_HEAD, _MEDIUM_HEAD, _LONG_HEAD = 2 + _MASK_BYTES, 4 + _MASK_BYTES, 10 + _MASK_BYTES


class PlainFrames:
    """Takes the bytes that follow a handshake and tells the plain frames from the others."""

    __slots__ = ("_at", "_data", "_fragmented", "_limit", "_needed", "_owed", "waiting")

    def __init__(self, limit_bytes: int) -> None:
        """Leave messages of more than `limit_bytes` to the protocol."""
        self._limit = limit_bytes
        self._data = b""
        self._at = 0
        """Where the first frame begins that was not taken yet."""
        self.waiting: bytearray | None = None
        """The beginning of a frame that is not here yet."""
        self._needed = 0
        """Bytes without which it is no use to look at that beginning again."""
        self._owed = 0
        """Bytes still to come of a frame that goes to the protocol."""
        self._fragmented = False
        """Whether a message is under way whose fragments go to the protocol."""

    @property
    def unread_bytes(self) -> int:
        """Bytes that wait here: to be taken, or for the rest of their frame."""
        waiting = 0 if self.waiting is None else len(self.waiting)
        return len(self._data) - self._at + waiting

    def receive(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield TEXT or BINARY with a message, or OTHER with bytes for the protocol, in order.

        What is not taken from the iterator comes with the next call.
        """
        if self._at < len(self._data):
            data = self._data[self._at :] + data
        elif self.waiting is not None and data:
            self.waiting += data
            if len(self.waiting) < self._needed:
                return
            data, self.waiting = bytes(self.waiting), None
        self._data, self._at = data, 0
        if self._owed and data:
            self._at = min(self._owed, len(data))
            self._owed -= self._at
            yield OTHER, data[: self._at]
        yield from self._frames(data, self._at)

    def _frames(self, data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
        """Yield the frames that begin at `at`, and keep the beginning of the last one."""
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
                # The protocol ends the connection; what follows is not even read.
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
            self.waiting, self._needed = bytearray(data[at:]), after - at
        self._data, self._at = b"", 0
