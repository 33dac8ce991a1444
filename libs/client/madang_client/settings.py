"""Settings of a chat."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """Timeouts, backoff and limits of a chat."""

    connect_seconds: float = 10.0
    """Timeout from the first packet to CONNECTED."""
    heartbeat_seconds: float = 10.0
    """Heart-beat interval offered in both directions; 0 disables heart-beats."""
    silences: float = 2.5
    """The connection is lost after this many heart-beat intervals of silence."""
    receipt_seconds: float = 30.0
    """Timeout of a RECEIPT, after which the chat reconnects."""
    backoff_base_seconds: float = 0.5
    """Upper bound of the first delay before a reconnect."""
    backoff_cap_seconds: float = 15.0
    """Upper bound of all delays."""
    retry_after_cap_seconds: float = 300.0
    """Longest `Retry-After` that is respected."""
    stable_seconds: float = 5.0
    """A connection that lasted this long resets the backoff."""
    unavailable_attempts: int = 5
    """Attempts to send a message, with the same key, while the server is unavailable."""
    queue_events: int = 1_000
    """Most queued events of one subscription; when full, reading stops."""
    remembered_events: int = 2_000
    """Most events per subscription that are remembered for deduplication."""
    unconfirmed_sends: int = 256
    """Most unconfirmed messages; further sends wait."""
    frame_bytes: int = 1_048_576
    """Largest body of a frame in bytes."""
