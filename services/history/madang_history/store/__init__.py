"""Where durable events are kept for reading."""
