"""Logins as they are stored, and the rotation of their refresh tokens."""
