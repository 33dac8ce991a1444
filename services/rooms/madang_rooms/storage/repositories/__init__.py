"""Repositories: the SQL statements of one table each, on the session of a unit of work."""
