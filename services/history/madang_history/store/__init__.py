"""The store of durable events, and pages of it."""
