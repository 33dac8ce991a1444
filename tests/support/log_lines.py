"""What the product logs, as JSON lines."""


def error_lines(text: str) -> list[str]:
    """Return the lines of a log that tell of errors."""
    return [line for line in text.splitlines() if '"level":"error"' in line or "Traceback" in line]
