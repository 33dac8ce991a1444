"""Madang history."""
