"""The real servers and the full product, private to a folder: started, asked and stopped."""
