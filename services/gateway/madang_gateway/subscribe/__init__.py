"""Subscriptions: opened, resumed, acknowledged."""
