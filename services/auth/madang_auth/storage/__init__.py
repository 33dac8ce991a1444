"""What the Redis and SQLite adapters of `sessions` and `throttle` share."""
