"""Protocols: STOMP, SockJS, destinations."""
