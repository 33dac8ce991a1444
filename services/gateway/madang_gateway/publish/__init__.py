"""Sends: read, checked, appended to the log."""
