"""The log into the store."""
