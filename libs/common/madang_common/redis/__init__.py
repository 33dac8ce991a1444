"""Redis: its settings, where it is, and clients with a bounded pool of connections."""
