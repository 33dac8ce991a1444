"""Settings of history."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from madang_common.settings import CommonSettings


class HistorySettings(CommonSettings):
    """What history reads from `MADANG_…` variables."""

    data_dir: Path = Path("data")
    """Folder of the embedded store: its file is `history/messages.db` in it."""
    mongo_url: SecretStr | None = None
    """MongoDB that stores messages, with its replica set; without it a file of `data_dir` does."""
    mongo_database: str = "madang"
    """Database that holds history's collections."""
    mongo_timeout_seconds: Annotated[float, Field(ge=0.5)] = 5.0
    """Longest wait for MongoDB: to find its primary, to connect, and for each answer."""
    mongo_connections: Annotated[int, Field(ge=2)] = 20
    """Most connections of one process to a MongoDB server."""
    history_lease_seconds: Annotated[float, Field(ge=1)] = 10.0
    """Time after which the shards of a replica that died are taken over by the others."""
    history_write_events: Annotated[int, Field(ge=1, le=100_000)] = 500
    """Events after which no further batch of the log joins a bulk write."""
    history_backlog_bytes: Annotated[int, Field(ge=1)] = 8_388_608
    """Bytes per shard that are read from the log ahead of the store."""
    history_retry_seconds: Annotated[float, Field(gt=0)] = 5.0
    """Longest pause before the store or the log is tried again."""
    history_lag_poll_seconds: Annotated[float, Field(gt=0)] = 1.0
    """Time between two measurements of how far the store is behind the log."""
    history_unread_limit: Annotated[int, Field(ge=1, le=100_000)] = 999
    """Largest count of unread messages that is told; beyond it the answer is `more`."""
