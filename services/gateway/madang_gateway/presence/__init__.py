"""Presence: the users in each room, over all gateways."""
