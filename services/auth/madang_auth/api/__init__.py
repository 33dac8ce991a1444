"""auth's REST interface."""
