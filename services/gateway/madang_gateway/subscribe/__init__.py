"""Subscriptions: opened, replayed, acknowledged."""
