"""Compares the database with the events in the log, and repairs it after an older copy."""
