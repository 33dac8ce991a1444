"""Settings of rooms."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from madang_common.settings import CommonSettings


class RoomsSettings(CommonSettings):
    """Settings of rooms, in addition to the common ones."""

    data_dir: Path = Path("data")
    """Folder of the embedded database."""
    database_url: SecretStr | None = None
    """MySQL or MariaDB, `mysql+asyncmy://user:password@host:port/name`; by default embedded."""
    user_changes_per_second: Annotated[float, Field(gt=0)] = 10.0
    """Sustained rate of one user's changes of rooms, members and invites, on each replica."""
    user_changes_burst: Annotated[int, Field(ge=1)] = 200
    """Changes that one user may make at once before the rate limit applies."""
    room_most_members: Annotated[int, Field(ge=1)] = 10_000
    """Most members of a room."""
    user_most_rooms: Annotated[int, Field(ge=1)] = 1_000
    """Most rooms that a user may be a member of, direct rooms included."""
    room_most_invites: Annotated[int, Field(ge=1)] = 100
    """Most open invites of a room."""
    user_most_invites: Annotated[int, Field(ge=1)] = 200
    """Most open invites for other users that a user may have made, in all rooms."""
    user_most_invites_to_one: Annotated[int, Field(ge=1)] = 5
    """Most invites from one user to another that are open or a day old; accepted ones excluded."""
    user_most_received_invites: Annotated[int, Field(ge=1)] = 100
    """Most invites listed to a user; another one drops the oldest of the most frequent inviter."""
    user_most_blocks: Annotated[int, Field(ge=1)] = 1_000
    """Most users that a user may block."""
    room_most_bans: Annotated[int, Field(ge=1)] = 10_000
    """Most bans of a room."""
    invite_seconds: Annotated[int, Field(ge=1)] = 7 * 86_400
    """Default lifetime of an invite."""
    invite_longest_seconds: Annotated[int, Field(ge=1)] = 30 * 86_400
    """Longest lifetime of an invite."""
    invite_uses: Annotated[int, Field(ge=1)] = 100
    """Default number of uses of an invite link."""
    invite_most_uses: Annotated[int, Field(ge=1)] = 10_000
    """Most uses of an invite link."""
    invite_kept_seconds: Annotated[int, Field(ge=0)] = 7 * 86_400
    """How long an expired invite is kept, and answered with 410, before it is deleted."""
    user_lookup_most: Annotated[int, Field(ge=1)] = 20
    """Most users that a lookup by prefix returns."""
    ownership_sweep_seconds: Annotated[float, Field(gt=0)] = 60.0
    """Interval of the check for rooms that only disabled users own, which get a new owner."""
    outbox_poll_seconds: Annotated[float, Field(gt=0)] = 1.0
    """Interval at which the outbox is read when no commit triggers it."""
    outbox_chunk_rows: Annotated[int, Field(ge=1)] = 1_000
    """Most outbox rows that are appended to the log at once."""
    outbox_append_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Longest wait for the log's confirm before outbox rows are appended again."""
    outbox_answer_seconds: Annotated[float, Field(ge=0)] = 1.0
    """Longest time that the answer to a removal or ban waits until its event is in the log."""
    outbox_stop_seconds: Annotated[float, Field(ge=0)] = 5.0
    """Longest wait at the stop for the outbox rows in flight."""
    database_wait_seconds: Annotated[float, Field(gt=0)] = 5.0
    """Longest wait for a database connection, a lock or a retry before a request is refused."""
    database_pool_size: Annotated[int, Field(ge=1)] = 10
    """Connections to MySQL for reads, and as many again for writes."""
    database_lock_seconds: Annotated[int, Field(ge=1)] = 2
    """Longest wait for a row lock in MySQL before the change is retried."""
    database_statement_seconds: Annotated[int, Field(ge=1)] = 10
    """Longest run of a statement in MySQL."""
    database_idle_seconds: Annotated[int, Field(ge=10)] = 60
    """Silence after which MySQL closes a replica's connection and releases its locks."""
    database_start_seconds: Annotated[float, Field(gt=0)] = 30.0
    """Longest wait for MySQL at a start or a migration."""

    @field_validator("database_url")
    @classmethod
    def check_database_url(cls, url: SecretStr | None) -> SecretStr | None:
        """Refuse a URL that is not of a MySQL database."""
        if url is None:
            return None
        try:
            parsed = make_url(url.get_secret_value())
        except ArgumentError:
            raise ValueError("not a URL") from None
        if parsed.get_backend_name() not in {"mysql", "mariadb"} or not parsed.database:
            raise ValueError("not mysql+asyncmy://user:password@host:port/name")
        return url
