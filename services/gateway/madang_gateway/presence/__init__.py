"""Presence: who is in a room now, on whichever gateway."""
