"""One WebSocket connection: frames from and to the transport."""
