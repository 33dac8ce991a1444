"""Names of the environment variables of settings."""

PREFIX = "MADANG_"
FILE_SUFFIX = "_FILE"
"""Ends the variable that names a file with the value of a setting."""


def variable(field: str) -> str:
    """Return the name of the variable that sets `field` of a settings class."""
    return f"{PREFIX}{field.upper()}"
