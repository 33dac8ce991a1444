"""SockJS 0.3.3 over WebSocket, which the clients of older tutorials speak."""
