"""Which replica brings which shards of the log into the store."""
