"""Generators of the published contracts, of docs/settings.md and of the import graphs."""
