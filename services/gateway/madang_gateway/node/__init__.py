"""The node: all connections of this process, live events, the drain."""
