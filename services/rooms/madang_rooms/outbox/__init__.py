"""Publishing events from the outbox to the log."""
