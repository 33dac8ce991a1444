"""The REST interface: messages for members, events for the gateway."""
