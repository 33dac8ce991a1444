"""Memory limits of one connection."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """A frame or a connection that exceeds a limit gets an ERROR."""

    header_count: int = 64
    """Headers of one frame."""
    header_line_bytes: int = 8192
    """Bytes of the command, or of one header with its name, as sent."""
    head_bytes: int = 32_768
    """Bytes of the command and all headers of one frame."""
    body_bytes: int = 65_536
    """Bytes of the body of one frame."""
    transactions: int = 16
    """Open transactions."""
    transaction_frames: int = 100
    """SENDs and ACKs of one transaction."""
    transaction_bytes: int = 524_288
    """Bytes of memory for all open transactions."""
    subscriptions: int = 256
    """Open subscriptions."""
