"""Madang gateway."""
