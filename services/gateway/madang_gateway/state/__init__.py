"""In-memory state of a gateway, rebuilt on start."""
