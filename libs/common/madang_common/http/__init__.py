"""REST between people, services and the outside: the same app and client for every service."""
