"""Password hashes, and the queue of those to be computed."""
