"""Madang rooms."""
