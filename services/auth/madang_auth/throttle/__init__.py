"""Rate limits on logins and other operations."""
