"""The REST interface of auth."""
