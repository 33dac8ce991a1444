"""Bytes in, bytes out: one WebSocket connection."""
