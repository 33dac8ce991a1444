"""Start all of Madang in one process, or shut somebody out of it."""

import argparse

from madang_auth.accounts import users_command
from madang_common import server
from madang_standalone.settings import StandaloneSettings
from madang_standalone.wiring import build, operate

NAME = "madang-standalone"


def main() -> None:
    """Run until a signal ends it; or, asked about `users`, do that and end."""
    parser = argparse.ArgumentParser(prog=NAME, description="Serve all of Madang.")
    users_command.add_parser(parser.add_subparsers(dest="command"))
    asked = parser.parse_args()
    if asked.command == "users":
        users_command.run(NAME, StandaloneSettings, operate, asked)
    else:
        server.run("Madang", StandaloneSettings, build)


if __name__ == "__main__":
    main()
