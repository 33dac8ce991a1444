"""What the adapters of Redis and SQLite share."""
