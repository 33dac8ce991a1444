"""Live events, which are not stored: typing, read markers, presence, revoked sessions."""
