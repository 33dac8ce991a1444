"""What the version before stored, and the log that it stored."""
