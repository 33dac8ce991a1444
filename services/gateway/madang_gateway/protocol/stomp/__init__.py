"""The server's side of STOMP 1.0, 1.1 and 1.2: bytes in, events out; decisions in, bytes out."""
