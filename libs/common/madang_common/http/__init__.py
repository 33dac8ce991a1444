"""REST: the app and the client that all services share."""
