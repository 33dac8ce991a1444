"""What can be tuned about a chat."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """How a chat keeps its connection and how much it holds in memory."""

    connect_seconds: float = 10.0
    """Longest time from the first packet to CONNECTED."""
    heartbeat_seconds: float = 10.0
    """Longest silence that is asked for, both ways; 0 turns heart-beats off."""
    silences: float = 2.5
    """The peer is taken for dead after this many agreed silences in a row."""
    receipt_seconds: float = 30.0
    """A connection on which a RECEIPT is later than this is given up and made again."""
    backoff_base_seconds: float = 0.5
    """Bound of the first delay before reconnecting."""
    backoff_cap_seconds: float = 15.0
    """Bound that the delays grow up to."""
    retry_after_cap_seconds: float = 300.0
    """Longest `Retry-After` that is obeyed."""
    stable_seconds: float = 5.0
    """A connection that lasted this long begins the delays anew."""
    unavailable_attempts: int = 5
    """How often a message is sent, with the same key, while the server says "not now"."""
    queue_events: int = 1_000
    """Most events that wait for one reader; then the connection is read no further."""
    remembered_events: int = 2_000
    """Most events per subscription by which repeats are told."""
    unconfirmed_sends: int = 256
    """Most messages under way; further sends wait."""
    frame_bytes: int = 1_048_576
    """Largest body of a frame that is taken."""
