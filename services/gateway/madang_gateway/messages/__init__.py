"""The present state of messages, and who may change them."""
