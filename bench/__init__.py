"""Madang measured beside the chat that the tutorials write."""
