"""The gateway's settings."""

from pydantic import Field, SecretStr

from madang_common.settings import CommonSettings
from madang_common.token_bucket import Rate
from madang_gateway.limits.budget import Allowances
from madang_gateway.protocol.stomp.limits import Limits
from madang_gateway.protocol.tutorial_destinations import TutorialBody


class GatewaySettings(CommonSettings):
    """What the gateway reads on top of the common settings."""

    connections_limit: int = Field(default=50_000, ge=1)
    """Most WebSocket connections at once."""
    connections_per_address: int = Field(default=20_000, ge=1)
    """Most connections from one address, behind which there may be many people, at once."""
    connections_per_user: int = Field(default=50, ge=1)
    """Most connections of one user at once."""
    connections_per_second: float = Field(default=2_000, ge=0)
    """Connections taken per second, and at once; others are told when to come. 0 is no limit."""
    connect_seconds: float = Field(default=10, gt=0)
    """Longest time from the upgrade to a good CONNECT."""
    heartbeat_seconds: float = Field(default=10, gt=0)
    """Heart-beat that the gateway offers and asks for; clients may ask for a slower one."""
    heartbeat_grace: float = Field(default=2, ge=1)
    """A peer is lost after this many heart-beats of silence."""
    ping_seconds: float = Field(default=25, gt=0)
    """WebSocket ping after this long a silence of a peer that sends no heart-beats."""
    close_seconds: float = Field(default=3, gt=0)
    """Longest wait for a peer's side of the close handshake."""
    drain_seconds: float = Field(default=10, ge=0)
    """Time over which connections are closed, evenly, after SIGTERM; 0 closes all at once."""
    message_bytes: int = Field(default=16_384, ge=1)
    """Largest body of a SEND."""
    frame_bytes: int = Field(default=65_536, ge=1)
    """Largest WebSocket message from a client."""
    frames_per_second: float = Field(default=500, gt=0)
    """Frames of one connection per second, in the long run. A small SEND costs one, anything
    else its price in `budget.py`; what comes faster waits to be read."""
    frames_burst: float = Field(default=1000, ge=1)
    """Frames of one connection at once."""
    frames_before_connected: float = Field(default=100, ge=1)
    """Frames of one connection before it is let in; with more it is closed."""
    frames_per_second_per_user: float = Field(default=2_000, gt=0)
    """Frames of one user per second, over all their connections here, events resumed among them."""
    frames_burst_per_user: float = Field(default=4_000, ge=1)
    """Frames of one user at once."""
    frames_per_second_per_address: float = Field(default=10_000, gt=0)
    """Frames from one address per second, over all its users. An upgrade costs ten."""
    frames_burst_per_address: float = Field(default=10_000, ge=16)
    """Frames from one address at once."""
    fragments_per_message: int = Field(default=128, ge=1)
    """Most WebSocket frames of one message."""
    header_count: int = Field(default=64, ge=1)
    """Most headers of one STOMP frame."""
    subscriptions_per_connection: int = Field(default=256, ge=1)
    """Most subscriptions of one connection."""
    unacknowledged_messages: int = Field(default=1000, ge=1)
    """Most messages of one subscription that wait for an ACK; the largest `prefetch-count`."""
    subscriptions_per_room: int = Field(default=16, ge=1)
    """Most subscriptions of one connection to the same room, each of which costs every event."""
    subscriptions_per_room_per_user: int = Field(default=64, ge=1)
    """Most subscriptions of one user to the same room, over all their connections here."""
    sends_per_second: float = Field(default=20, gt=0)
    """Sends that one user may make per second, in the long run."""
    sends_burst: int = Field(default=60, ge=1)
    """Sends that one user may make at once."""
    backlog_frames: int = Field(default=256, ge=1)
    """Most frames of one connection that wait for an answer from elsewhere; then reading pauses."""
    backlog_bytes: int = Field(default=262_144, ge=1)
    """Bytes of frames of one connection that wait for an answer from elsewhere, likewise."""
    slow_consumer_bytes: int = Field(default=1_048_576, ge=1)
    """Bytes kept for one connection at which it is closed, and resumes with `since`: unsent, or
    waiting for an ACK, for their turn or for their COMMIT."""
    kept_bytes_per_user: int = Field(default=16_777_216, ge=1)
    """Bytes kept for all connections of one user here."""
    kept_bytes_per_address: int = Field(default=268_435_456, ge=1)
    """Bytes kept for all connections from one address."""
    live_pause_bytes: int = Field(default=65_536, ge=1)
    """Unsent bytes of one connection at which live notices are dropped for it."""
    send_token_required: bool = False
    """Whether each SEND must carry a token of its own."""
    destination_aliases: bool = True
    """Whether the destinations of the common tutorials are served too."""
    permessage_deflate: bool = False
    """Whether WebSocket compression is offered; it costs tens of kilobytes a connection."""
    tail_bytes: int = Field(default=67_108_864, ge=0)
    """Bytes of the newest events kept in memory, over all shards."""
    tail_seconds: float = Field(default=900, ge=0)
    """Age up to which the newest events are kept in memory."""
    key_seconds: float = Field(default=120, gt=0)
    """Time that keys of sends are remembered at least; longer than any append may be retried."""
    key_count: int = Field(default=500_000, ge=1)
    """Most keys of sends remembered before the time is up."""
    append_seconds: float = Field(default=10, gt=0)
    """Longest wait for the log before a SEND is refused."""
    append_waiting_bytes: int = Field(default=16_777_216, ge=1)
    """Bytes that may wait for one shard of the log."""
    lag_poll_seconds: float = Field(default=10, gt=0)
    """How often it is measured how far this gateway is behind the end of the log."""
    receipt_seconds: float = Field(default=15, gt=0)
    """Longest wait for a sent event to come back from the log."""
    resume_seconds: float = Field(default=20, gt=0)
    """Longest wait for history while a subscription resumes."""
    resume_page: int = Field(default=500, ge=1, le=1000)
    """Events asked of history at a time while a subscription resumes."""
    memberships_cached: int = Field(default=50_000, ge=1)
    """Rooms whose members' access is remembered."""
    redis_url: SecretStr | None = None
    """`redis://…` where all gateways note who is present; if not given, only this process knows."""
    redis_connections: int = Field(default=8, ge=1)
    """Most connections to Redis."""
    redis_timeout_seconds: float = Field(default=2, gt=0)
    """Longest wait for Redis; only requests for presence wait for it."""
    presence_seconds: float = Field(default=15, gt=0)
    """Longest time for which users are shown as present after their gateway died."""
    presence_grace_seconds: float = Field(default=3, ge=0)
    """Time to come back in before others are told that somebody left."""
    presence_notice_members: int = Field(default=1_000, ge=0)
    """Most users present in a room in which each is told who comes and goes; 0 tells nobody."""
    alias_entered: str = "{name} entered the room."
    """What tutorial clients are shown when somebody enters."""
    alias_quit: str = "{name} left the room."
    """What tutorial clients are shown when somebody leaves."""

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
