"""STOMP 1.2 for clients: a codec without I/O."""
