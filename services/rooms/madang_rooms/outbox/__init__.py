"""Events from the outbox into the log."""
