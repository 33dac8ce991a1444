"""Sends: commands, checks, the append to the log."""
