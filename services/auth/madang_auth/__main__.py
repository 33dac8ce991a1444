"""Start one auth process on the real servers."""

from madang_auth.settings import AuthSettings
from madang_auth.wiring import serve
from madang_common import server


def main() -> None:
    """Run until a signal ends it."""
    server.run("madang-auth", AuthSettings, serve)


if __name__ == "__main__":
    main()
