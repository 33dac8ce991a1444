"""What a gateway keeps in memory; rebuilt on start."""
