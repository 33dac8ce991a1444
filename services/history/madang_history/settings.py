"""Settings of history."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from madang_common.address import Addresses, Port
from madang_common.server_parts import ServerParts, needs
from madang_common.settings import CommonSettings, required, secret_value
from madang_common.tls import CaFile, Tls
from madang_history.endpoint import MongoEndpoint

_MONGO = ServerParts(
    url="mongo_url",
    hosts=("mongo_hosts",),
    others=(
        "mongo_port",
        "mongo_user",
        "mongo_password",
        "mongo_auth_source",
        "mongo_replica_set",
        "mongo_tls",
    ),
    with_either=("mongo_ca_file",),
)


class HistorySettings(CommonSettings):
    """Settings of history, in addition to the common ones."""

    data_dir: Path = Path("data")
    """Folder of the embedded store; its file is `history/messages.db`."""
    mongo_url: SecretStr | None = None
    """URL of MongoDB with its replica set, `mongodb://` or `mongodb+srv://`; if neither this nor
    `MADANG_MONGO_HOSTS` is set, messages are stored in `data_dir`."""
    mongo_hosts: Addresses = ()
    """Servers of MongoDB, `host` or `host:port`, instead of the URL."""
    mongo_port: Port = None
    """Port of the servers that are given without one; 27017 if not set."""
    mongo_user: str | None = None
    """User of MongoDB."""
    mongo_password: SecretStr | None = None
    """Password of that user."""
    mongo_auth_source: str = "admin"
    """Database in which that user is defined."""
    mongo_replica_set: str | None = None
    """Name of the replica set."""
    mongo_tls: bool = False
    """Whether to use TLS to MongoDB; a URL with `tls=true` or `mongodb+srv://` uses it anyway."""
    mongo_ca_file: CaFile = None
    """File with the CA certificates, in PEM, that sign MongoDB's certificate; those of the system
    if not set. Needs TLS."""
    mongo_database: str = "madang"
    """Name of history's database."""
    mongo_timeout_seconds: Annotated[float, Field(ge=0.5)] = 5.0
    """Timeout of MongoDB, each for server selection, connecting and a command."""
    mongo_connections: Annotated[int, Field(ge=2)] = 20
    """Most connections of one process to one MongoDB server."""
    history_lease_seconds: Annotated[float, Field(ge=1)] = 10.0
    """Lifetime of a lease: other replicas take over the shards of a dead one after it."""
    history_write_events: Annotated[int, Field(ge=1, le=100_000)] = 500
    """Events of one bulk write; the last batch of the log may exceed it."""
    history_backlog_bytes: Annotated[int, Field(ge=1)] = 8_388_608
    """Most bytes per shard that are read from the log ahead of the store."""
    history_retry_seconds: Annotated[float, Field(gt=0)] = 5.0
    """Longest backoff before the store or the log is retried."""
    history_lag_poll_seconds: Annotated[float, Field(gt=0)] = 1.0
    """Interval between two measurements of the store's lag."""
    history_unread_limit: Annotated[int, Field(ge=1, le=100_000)] = 999
    """Largest count of unread messages; above it the response has `more`."""

    @property
    def mongo(self) -> MongoEndpoint | None:
        """The endpoint of MongoDB, None if it is not set; raise ValueError if it is invalid."""
        if not _MONGO.are_given(self):
            return None
        if self.mongo_url is not None:
            tls = None if self.mongo_ca_file is None else Tls(self.mongo_ca_file)
            return MongoEndpoint.at(self.mongo_url.get_secret_value(), tls)
        needs(self, "mongo_user", "mongo_password")
        needs(self, "mongo_password", "mongo_user")
        needs(self, "mongo_auth_source", "mongo_user")
        needs(self, "mongo_ca_file", "mongo_tls")
        return MongoEndpoint.of(
            self.mongo_hosts,
            port=self.mongo_port,
            user=self.mongo_user,
            password=secret_value(self.mongo_password),
            auth_source=self.mongo_auth_source,
            replica_set=self.mongo_replica_set,
            tls=Tls(self.mongo_ca_file) if self.mongo_tls else None,
        )

    def require_mongo(self) -> MongoEndpoint:
        """Return the endpoint of MongoDB; raise CannotStart if it is not set."""
        return required(self.mongo, "mongo_url", "mongo_hosts")

    @model_validator(mode="after")
    def check_mongo(self) -> Self:
        """Refuse settings of MongoDB that contradict each other."""
        _ = self.mongo
        return self
