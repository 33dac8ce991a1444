"""Signing keys and their published form."""
