"""What the endpoints do: one module per noun."""
