"""Settings of history."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from madang_common.settings import CommonSettings


class HistorySettings(CommonSettings):
    """Settings of history, in addition to the common ones."""

    data_dir: Path = Path("data")
    """Folder of the embedded store; its file is `history/messages.db`."""
    mongo_url: SecretStr | None = None
    """URL of MongoDB with its replica set; if not set, messages are stored in `data_dir`."""
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
