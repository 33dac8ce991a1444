"""Start all of Madang in one process."""


def main() -> None:
    """Run until a signal ends it."""
