"""The common base of the Redis and SQLite adapters of `sessions` and `throttle`."""
