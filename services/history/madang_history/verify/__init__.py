"""Compares the stored events with the log, where the log still has them."""
