"""Access tokens and service tokens: their claims, their verification, and revocation."""
