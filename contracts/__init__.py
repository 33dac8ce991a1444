"""The published contracts and what generates them."""
