"""Start all of Madang in one process."""

from madang_common import server
from madang_standalone.settings import StandaloneSettings
from madang_standalone.wiring import build


def main() -> None:
    """Run until a signal ends it."""
    server.run("Madang", StandaloneSettings, build)


if __name__ == "__main__":
    main()
