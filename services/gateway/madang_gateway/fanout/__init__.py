"""Fan-out: events to the subscriptions of this gateway."""
