"""Settings of the gateway."""

from pydantic import Field

from madang_common.redis.settings import RedisSettings
from madang_common.token_bucket import Rate
from madang_gateway.limits.budget import Allowances
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.tutorial_destinations import TutorialBody


class GatewaySettings(RedisSettings):
    """The gateway's settings, in addition to the common ones."""

    connections_limit: int = Field(default=50_000, ge=1)
    """Most concurrent WebSocket connections."""
    connections_per_address: int = Field(default=20_000, ge=1)
    """Most concurrent connections from one address, which many users may share."""
    connections_per_user: int = Field(default=50, ge=1)
    """Most concurrent connections of one user."""
    connections_per_second: float = Field(default=2_000, ge=0)
    """New connections per second, and burst; more are refused with Retry-After. 0 is no limit."""
    connect_seconds: float = Field(default=10, gt=0)
    """Longest time from the upgrade to a valid CONNECT."""
    heartbeat_seconds: float = Field(default=10, gt=0)
    """Heart-beats that the gateway offers and requests; clients may ask for a longer interval."""
    heartbeat_grace: float = Field(default=2, ge=1)
    """Heart-beat intervals of silence after which a connection is closed."""
    ping_seconds: float = Field(default=25, gt=0)
    """Silence after which a client without heart-beats gets a WebSocket ping."""
    close_seconds: float = Field(default=3, gt=0)
    """Longest wait for the client's side of the close handshake."""
    drain_seconds: float = Field(default=10, ge=0)
    """Time over which connections are closed evenly after SIGTERM; 0 closes all at once."""
    message_bytes: int = Field(default=16_384, ge=1)
    """Largest body of a SEND, as sent and as JSON."""
    frame_bytes: int = Field(default=65_536, ge=1)
    """Largest WebSocket message from a client."""
    frames_per_second: float = Field(default=500, gt=0)
    """Frames of one connection per second, on average. A small SEND costs one frame, anything else
    its cost in `budget.py`; reading pauses while the allowance is used up."""
    frames_burst: float = Field(default=1000, ge=1)
    """Burst of frames of one connection."""
    frames_before_connected: float = Field(default=100, ge=1)
    """Frames of one connection before CONNECTED; it is closed when it sends more."""
    frames_per_second_per_user: float = Field(default=2_000, gt=0)
    """Frames of one user per second, over all their connections to this gateway, including the
    events of resumed subscriptions."""
    frames_burst_per_user: float = Field(default=4_000, ge=1)
    """Burst of frames of one user."""
    frames_per_second_per_address: float = Field(default=10_000, gt=0)
    """Frames from one address per second, over all its users. An upgrade costs ten frames."""
    frames_burst_per_address: float = Field(default=10_000, ge=16)
    """Burst of frames from one address."""
    fragments_per_message: int = Field(default=128, ge=1)
    """Most WebSocket frames of one message."""
    header_count: int = Field(default=64, ge=1)
    """Most headers of one STOMP frame."""
    subscriptions_per_connection: int = Field(default=256, ge=1)
    """Most subscriptions of one connection."""
    unacknowledged_messages: int = Field(default=1000, ge=1)
    """Most messages in flight of one subscription with ACKs; the largest `prefetch-count`."""
    subscriptions_per_room: int = Field(default=16, ge=1)
    """Most subscriptions of one connection to the same room; each costs an encoding per event."""
    subscriptions_per_room_per_user: int = Field(default=64, ge=1)
    """Most subscriptions of one user to the same room, over all connections to this gateway."""
    sends_per_second: float = Field(default=20, gt=0)
    """Sends of one user per second, on average."""
    sends_burst: int = Field(default=60, ge=1)
    """Burst of sends of one user."""
    backlog_frames: int = Field(default=256, ge=1)
    """Frames of one connection queued behind one that awaits another service, at which reading
    pauses."""
    backlog_bytes: int = Field(default=262_144, ge=1)
    """Bytes of such frames at which reading pauses."""
    slow_consumer_bytes: int = Field(default=1_048_576, ge=1)
    """Bytes kept for one connection at which it is closed: unsent, in flight without ACK, queued,
    or in open transactions. The client reconnects and resumes with `since`."""
    kept_bytes_per_user: int = Field(default=16_777_216, ge=1)
    """Bytes kept for all connections of one user to this gateway."""
    kept_bytes_per_address: int = Field(default=268_435_456, ge=1)
    """Bytes kept for all connections from one address."""
    live_pause_bytes: int = Field(default=65_536, ge=1)
    """Unsent bytes of one connection at which live events for it are dropped."""
    send_token_required: bool = False
    """Whether each SEND must carry an access token."""
    destination_aliases: bool = True
    """Whether the destinations of the common chat tutorials are supported."""
    permessage_deflate: bool = False
    """Whether WebSocket compression is offered; it costs tens of kilobytes per connection."""
    edit_seconds: float = Field(default=0, ge=0)
    """Age of a message at which its author can no longer edit or delete it; 0 is no limit."""
    message_state_bytes: int = Field(default=33_554_432, ge=1)
    """Bytes of cached states of messages, to which edits and reactions come; about 40,000 fit."""
    tail_bytes: int = Field(default=67_108_864, ge=0)
    """Bytes of recent events kept in memory, over all shards."""
    tail_seconds: float = Field(default=900, ge=0)
    """Age up to which recent events are kept in memory."""
    key_seconds: float = Field(default=120, gt=0)
    """Time for which idempotency keys are kept at least; longer than an append may be retried."""
    key_count: int = Field(default=500_000, ge=1)
    """Most idempotency keys of a generation, after which the oldest are dropped early."""
    append_seconds: float = Field(default=10, gt=0)
    """Longest wait for the log before a SEND is refused."""
    append_waiting_bytes: int = Field(default=16_777_216, ge=1)
    """Bytes that may wait for one shard of the log before SENDs are refused."""
    lag_poll_seconds: float = Field(default=10, gt=0)
    """Interval at which the lag behind the end of the log is measured."""
    receipt_seconds: float = Field(default=15, gt=0)
    """Longest wait for an appended event to come back from the log."""
    resume_seconds: float = Field(default=20, gt=0)
    """Longest wait for history when a subscription resumes."""
    resume_page: int = Field(default=500, ge=1, le=1000)
    """Events per page of history when a subscription resumes."""
    memberships_cached: int = Field(default=50_000, ge=1)
    """Rooms whose members' access is cached."""
    redis_connections: int = Field(default=8, ge=1)
    """Most connections to Redis."""
    redis_timeout_seconds: float = Field(default=2, gt=0)
    """Timeout of calls to Redis; only requests for presence wait for them."""
    presence_seconds: float = Field(default=15, gt=0)
    """Longest time for which users are shown as present after their gateway died."""
    presence_grace_seconds: float = Field(default=3, ge=0)
    """Time to reconnect in before a user counts as left."""
    presence_notice_members: int = Field(default=1_000, ge=0)
    """Most users present in a room in which joins and leaves are announced; 0 announces none."""
    alias_entered: str = "{name} entered the room."
    """Text for tutorial clients when a user enters."""
    alias_quit: str = "{name} left the room."
    """Text for tutorial clients when a user leaves."""

    @property
    def send_rate(self) -> Rate:
        """Rate limit of one user's sends."""
        return Rate(self.sends_per_second, self.sends_burst)

    @property
    def allowances(self) -> Allowances:
        """Frames that clients may spend, and bytes that may be kept for them."""
        return Allowances(
            connection=Rate(self.frames_per_second, self.frames_burst),
            user=Rate(self.frames_per_second_per_user, self.frames_burst_per_user),
            address=Rate(self.frames_per_second_per_address, self.frames_burst_per_address),
            before_connected=self.frames_before_connected,
            connection_bytes=self.slow_consumer_bytes,
            user_bytes=self.kept_bytes_per_user,
            address_bytes=self.kept_bytes_per_address,
        )

    @property
    def stomp_limits(self) -> Limits:
        """Limits of one STOMP connection."""
        return Limits(
            header_count=self.header_count,
            body_bytes=self.frame_bytes,
            subscriptions=self.subscriptions_per_connection,
        )

    @property
    def tutorial_body(self) -> TutorialBody | None:
        """Bodies for the destinations of the tutorials, None if these are not served."""
        if not self.destination_aliases:
            return None
        return TutorialBody(self.alias_entered, self.alias_quit)
