"""Admission and opening handshake of WebSocket upgrades."""
