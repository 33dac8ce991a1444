"""The log, read and applied."""
