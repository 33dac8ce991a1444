"""The product's JSON log lines."""


def error_lines(text: str) -> list[str]:
    """Return the error lines of a log."""
    return [line for line in text.splitlines() if '"level":"error"' in line or "Traceback" in line]
