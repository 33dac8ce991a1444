"""Events: what stands in the log, and what clients receive."""
