"""Code that all Madang services share."""
