"""Password hashing, and its bounded queue."""
