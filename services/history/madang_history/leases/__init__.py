"""Leases: which replica stores which shards of the log."""
