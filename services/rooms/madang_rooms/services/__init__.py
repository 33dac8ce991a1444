"""Business rules of the endpoints, one module per noun."""
