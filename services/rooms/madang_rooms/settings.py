"""Settings of the rooms service."""

from pathlib import Path

from madang_common.settings import CommonSettings


class RoomsSettings(CommonSettings):
    """What rooms reads on top of the common settings."""

    data_dir: Path = Path("data")
    """Folder of the embedded database."""
    room_most_members: int = 10_000
    """Most members that one room may have."""
    user_most_rooms: int = 1_000
    """Most rooms that one user may create, join or open directly."""
    room_most_invites: int = 100
    """Most invites of one room that can be accepted at the same time."""
    invite_seconds: int = 7 * 86_400
    """Life of an invite that asks for none."""
    invite_longest_seconds: int = 30 * 86_400
    """Longest life that an invite may ask for."""
    invite_uses: int = 100
    """Uses of an invite by link that asks for no number."""
    invite_most_uses: int = 10_000
    """Most uses that an invite by link may ask for."""
    invite_kept_seconds: int = 7 * 86_400
    """How long an expired invite still answers that it is gone, before it is forgotten."""
    user_lookup_most: int = 20
    """Most users that one lookup by prefix returns."""
    outbox_poll_seconds: float = 1.0
    """Longest time after which the outbox is looked at, woken or not."""
    outbox_chunk_rows: int = 1_000
    """Most outbox rows that are on their way into the log at once."""
    outbox_append_seconds: float = 10.0
    """How long outbox rows wait for the log's confirm before they are tried anew."""
    outbox_stop_seconds: float = 5.0
    """How long a stop waits for the outbox rows that are on their way."""
    database_wait_seconds: float = 5.0
    """Longest wait for the database, its connection or its lock, before a request is refused."""
