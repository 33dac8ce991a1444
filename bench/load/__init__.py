"""The load generator: processes that open connections, talk, and count what comes back."""
