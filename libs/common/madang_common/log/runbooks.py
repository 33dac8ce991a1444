"""The runbooks that messages about the log name."""

BROKER_DATA_LOST = "docs/runbooks/broker-data-lost.md"
CHANGE_SHARDS = "docs/runbooks/change-shards.md"
