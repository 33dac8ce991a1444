"""Madang standalone."""
