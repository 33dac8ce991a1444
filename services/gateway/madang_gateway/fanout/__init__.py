"""Events to the subscribers of this gateway."""
