"""What one connection may use of this server's memory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds that turn an endless frame into an ERROR."""

    header_count: int = 64
    """Headers of one frame."""
    header_line_bytes: int = 8192
    """The command, or one header with its name, as sent."""
    head_bytes: int = 32_768
    """The command and all headers of one frame together."""
    body_bytes: int = 65_536
    """The body of one frame."""
    transactions: int = 16
    """Transactions open at a time."""
    transaction_frames: int = 100
    """SENDs and ACKs that one transaction holds."""
    transaction_bytes: int = 524_288
    """Memory for what all open transactions of a connection hold together."""
    subscriptions: int = 256
    """Subscriptions open at a time."""
