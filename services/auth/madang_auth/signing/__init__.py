"""Signing: the keys, what is published of them, and the tokens made with them."""
