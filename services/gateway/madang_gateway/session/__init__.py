"""One client's STOMP session."""
