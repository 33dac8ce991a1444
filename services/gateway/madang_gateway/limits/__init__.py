"""Rate limits and memory quotas of connections, users and addresses."""
