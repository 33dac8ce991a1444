"""STOMP 1.2 as a client speaks it: frames to bytes and back, without any I/O."""
