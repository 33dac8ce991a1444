"""Access and service tokens: what they say and how they are checked."""
