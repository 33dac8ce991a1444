"""Accounts and the user directory."""
