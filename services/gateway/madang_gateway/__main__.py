"""Start one gateway process on the real servers."""

from madang_common import server
from madang_gateway.settings import GatewaySettings
from madang_gateway.wiring import serve


def main() -> None:
    """Run until a signal ends it."""
    server.run("madang-gateway", GatewaySettings, serve)


if __name__ == "__main__":
    main()
