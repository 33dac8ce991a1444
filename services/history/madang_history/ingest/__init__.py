"""Ingest: stores the events of the log."""
