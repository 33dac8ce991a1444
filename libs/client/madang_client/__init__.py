"""Madang client."""
