"""What history never got from the log, for operators."""
