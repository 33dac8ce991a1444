"""Settings of the rooms service."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from madang_common.settings import CommonSettings


class RoomsSettings(CommonSettings):
    """What rooms reads on top of the common settings."""

    data_dir: Path = Path("data")
    """Folder of the embedded database."""
    database_url: SecretStr | None = None
    """MySQL or MariaDB, `mysql+asyncmy://user:password@host:port/name`; without one, embedded."""
    user_changes_per_second: Annotated[float, Field(gt=0)] = 10.0
    """Changes of rooms, members and invites that one user may make, on each replica."""
    user_changes_burst: Annotated[int, Field(ge=1)] = 200
    """Changes that one user may make at once, before the limit above counts."""
    room_most_members: Annotated[int, Field(ge=1)] = 10_000
    """Most members that one room may have."""
    user_most_rooms: Annotated[int, Field(ge=1)] = 1_000
    """Most rooms that one user may create, join or open directly."""
    room_most_invites: Annotated[int, Field(ge=1)] = 100
    """Most invites of one room that can be accepted at the same time."""
    user_most_invites: Annotated[int, Field(ge=1)] = 200
    """Most invites for other users that one user may have open, over all rooms."""
    user_most_invites_to_one: Annotated[int, Field(ge=1)] = 5
    """Most invites from one user to another, open or made within a day; accepted ones apart."""
    user_most_received_invites: Annotated[int, Field(ge=1)] = 100
    """Most invites that one user is shown; one more replaces the oldest of who sent the most."""
    user_most_blocks: Annotated[int, Field(ge=1)] = 1_000
    """Most users whom one user may block."""
    room_most_bans: Annotated[int, Field(ge=1)] = 10_000
    """Most users who may be banned from one room at the same time."""
    invite_seconds: Annotated[int, Field(ge=1)] = 7 * 86_400
    """Life of an invite that asks for none."""
    invite_longest_seconds: Annotated[int, Field(ge=1)] = 30 * 86_400
    """Longest life that an invite may ask for."""
    invite_uses: Annotated[int, Field(ge=1)] = 100
    """Uses of an invite by link that asks for no number."""
    invite_most_uses: Annotated[int, Field(ge=1)] = 10_000
    """Most uses that an invite by link may ask for."""
    invite_kept_seconds: Annotated[int, Field(ge=0)] = 7 * 86_400
    """How long an expired invite still answers that it is gone, before it is forgotten."""
    user_lookup_most: Annotated[int, Field(ge=1)] = 20
    """Most users that one lookup by prefix returns."""
    ownership_sweep_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How often rooms that only disabled users own are looked for, to pass them on."""
    outbox_poll_seconds: Annotated[float, Field(gt=0)] = 1.0
    """Longest time after which the outbox is looked at, woken or not."""
    outbox_chunk_rows: Annotated[int, Field(ge=1)] = 1_000
    """Most outbox rows that are on their way into the log at once."""
    outbox_append_seconds: Annotated[float, Field(gt=0)] = 10.0
    """How long outbox rows wait for the log's confirm before they are tried anew."""
    outbox_answer_seconds: Annotated[float, Field(ge=0)] = 1.0
    """Longest time that the answer to a removal or ban waits for its event to come into the log."""
    outbox_stop_seconds: Annotated[float, Field(ge=0)] = 5.0
    """How long a stop waits for the outbox rows that are on their way."""
    database_wait_seconds: Annotated[float, Field(gt=0)] = 5.0
    """Longest wait for the database, its connection or its lock, before a request is refused."""
    database_pool_size: Annotated[int, Field(ge=1)] = 10
    """Connections to MySQL for reading, and as many again for writing."""
    database_lock_seconds: Annotated[int, Field(ge=1)] = 2
    """Longest wait in MySQL for a row that another change holds, before the change begins anew."""
    database_statement_seconds: Annotated[int, Field(ge=1)] = 10
    """Longest wait for MySQL's answer to a statement."""
    database_idle_seconds: Annotated[int, Field(ge=10)] = 60
    """How long MySQL keeps the connection, and the locks, of a replica that is not heard of."""
    database_start_seconds: Annotated[float, Field(gt=0)] = 30.0
    """How long a start or a migration waits for MySQL to answer."""

    @field_validator("database_url")
    @classmethod
    def check_database_url(cls, url: SecretStr | None) -> SecretStr | None:
        """Refuse what is no address of a MySQL database."""
        if url is None:
            return None
        try:
            parsed = make_url(url.get_secret_value())
        except ArgumentError:
            raise ValueError("not a URL") from None
        if parsed.get_backend_name() not in {"mysql", "mariadb"} or not parsed.database:
            raise ValueError("not mysql+asyncmy://user:password@host:port/name")
        return url
