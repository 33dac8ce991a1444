"""This gateway's node: its connections, its notices, its drain."""
