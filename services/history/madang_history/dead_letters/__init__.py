"""Dead letters: lines of the log that could not be stored, kept for an operator."""
