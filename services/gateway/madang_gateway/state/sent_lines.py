"""Cache of decoded lines that this gateway appended; avoids decoding them again."""

from madang_gateway.state.event_decoder import DecodedLine

_LIMIT_BYTES = 8_388_608
"""Far more than is in flight while the log is available."""


class SentLines:
    """Decoded lines by line, from the append until the line comes back from the log.

    A missing line is decoded like any other, so entries may be dropped at any time.
    """

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        """Clear all entries when their lines exceed `limit_bytes`."""
        self._limit_bytes = limit_bytes
        self._lines: dict[bytes, DecodedLine] = {}
        self._bytes = 0

    def add(self, line: bytes, decoded: DecodedLine) -> None:
        """Add a line that is appended now."""
        self._bytes += len(line)
        if self._bytes > self._limit_bytes:
            self._lines.clear()
            self._bytes = len(line)
        self._lines[line] = decoded

    def take(self, line: bytes) -> DecodedLine | None:
        """Remove `line` and return it decoded, or None if it is not here."""
        decoded = self._lines.pop(line, None)
        if decoded is not None:
            self._bytes -= len(line)
        return decoded
