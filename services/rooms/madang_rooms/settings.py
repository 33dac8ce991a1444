"""Settings of rooms."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from madang_common.address import Host, Port
from madang_common.server_parts import ServerParts, needs
from madang_common.settings import CommonSettings, required, secret_value
from madang_common.tls import CaFile, Tls
from madang_rooms.endpoint import MySqlEndpoint

_DATABASE = ServerParts(
    url="database_url",
    hosts=("database_host",),
    others=("database_port", "database_user", "database_password", "database_name"),
    with_either=("database_tls", "database_ca_file"),
)


class RoomsSettings(CommonSettings):
    """Settings of rooms, in addition to the common ones."""

    data_dir: Path = Path("data")
    """Folder of the embedded database."""
    database_url: SecretStr | None = None
    """MySQL or MariaDB, `mysql+asyncmy://user:password@host:port/name`; if neither this nor
    `MADANG_DATABASE_HOST` is set, the embedded database."""
    database_host: Host = None
    """Host of MySQL, instead of the URL."""
    database_port: Port = None
    """Port of MySQL; 3306 if not set."""
    database_user: str | None = None
    """User of MySQL."""
    database_password: SecretStr | None = None
    """Password of that user."""
    database_name: str = "madang"
    """Name of the database in MySQL; a URL has it as its path."""
    database_tls: bool = False
    """Whether to use TLS to MySQL; also with the URL."""
    database_ca_file: CaFile = None
    """File with the CA certificates, in PEM, that sign MySQL's certificate; those of the system if
    not set. Needs `MADANG_DATABASE_TLS`."""
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

    @property
    def database(self) -> MySqlEndpoint | None:
        """The endpoint of MySQL, None if it is not set; raise ValueError if it is invalid."""
        if not _DATABASE.are_given(self):
            return None
        needs(self, "database_ca_file", "database_tls")
        tls = Tls(self.database_ca_file) if self.database_tls else None
        if self.database_url is not None:
            return MySqlEndpoint.at(self.database_url.get_secret_value(), tls)
        needs(self, "database_host", "database_user", "database_password")
        return MySqlEndpoint.of(
            self.database_host or "",
            port=self.database_port,
            user=self.database_user or "",
            password=secret_value(self.database_password) or "",
            name=self.database_name,
            tls=tls,
        )

    def require_database(self) -> MySqlEndpoint:
        """Return the endpoint of MySQL; raise CannotStart if it is not set."""
        return required(self.database, "database_url", "database_host")

    @model_validator(mode="after")
    def check_database(self) -> Self:
        """Refuse settings of MySQL that contradict each other."""
        _ = self.database
        return self
