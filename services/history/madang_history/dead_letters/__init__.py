"""Lines of the log that could not be stored, kept for somebody to look at."""
