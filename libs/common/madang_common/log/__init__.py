"""The chat log: ordered, durable, replayable; the source of truth."""
