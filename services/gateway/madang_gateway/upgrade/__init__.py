"""Which WebSocket upgrades are accepted."""
