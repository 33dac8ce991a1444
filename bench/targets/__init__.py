"""The two chats that stand beside each other."""
