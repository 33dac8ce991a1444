"""The load generator: processes that open connections, send, and count received frames."""
