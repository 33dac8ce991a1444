"""Madang auth."""
