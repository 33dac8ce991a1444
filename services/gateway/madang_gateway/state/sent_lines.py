"""What this gateway's own lines say, so that those that come back are not read again."""

from madang_gateway.state.event_decoder import Read


class SentLines:
    """Remembers the lines that were appended until they come back, up to some bytes of them.

    A line says the same whoever wrote it, so it does not matter which copy of it comes, or whether
    one is forgotten: that one is read like everybody else's.
    """

    def __init__(self, limit_bytes: int) -> None:
        """Forget all when they are more than `limit_bytes`, as when many never come back."""
        self._limit_bytes = limit_bytes
        self._lines: dict[bytes, Read] = {}
        self._bytes = 0

    def add(self, line: bytes, said: Read) -> None:
        """Remember what `line` says."""
        self._bytes += len(line)
        if self._bytes > self._limit_bytes:
            self._lines.clear()
            self._bytes = len(line)
        self._lines[line] = said

    def take(self, line: bytes) -> Read | None:
        """Return what `line` says, and forget it; None if that is not known."""
        said = self._lines.pop(line, None)
        if said is not None:
            self._bytes -= len(line)
        return said
