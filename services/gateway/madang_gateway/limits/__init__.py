"""What a connection, a user and an address may use."""
