"""The protocols: STOMP, SockJS, destinations."""
