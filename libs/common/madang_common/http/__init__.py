"""HTTP: the REST app, its middleware and the client that all services share."""
