"""Reads the log and applies it."""
