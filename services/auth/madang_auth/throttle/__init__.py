"""Throttles: how often something may be tried."""
