"""Accounts of users and of services."""
