"""Events, as stored in the log and as clients receive them."""
