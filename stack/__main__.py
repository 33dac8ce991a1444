"""The stack from the command line.

`up` and `down` start and stop the full product; `do` runs a service's command as its operator
would, such as `do history dead list`; `check` tells whether its programs are there; `mysql` builds
MySQL itself for the tests, where that can be done.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from stack.command import CommandError
from stack.servers import MissingProgramError, ServerNotReadyError
from stack.servers.mysql_tree import mysql_tree
from stack.servers.programs import check_programs
from stack.stack import Stack, StackError

_PORT = 8443
_OWN = "MADANG_STACK_"
_OF_CLIENTS = {"MADANG_SERVER", "MADANG_PASSWORD", "MADANG_STATE_DIR"}
_OF_EACH_REPLICA = {"MADANG_HOST", "MADANG_PORT", "MADANG_DATA_DIR"}
_NOT_OF_SERVICES = _OF_CLIENTS | _OF_EACH_REPLICA


def main() -> None:
    """Run the command that the first argument names."""
    commands = {"up": _up, "down": _down, "check": check_programs, "mysql": _mysql}
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    parser.add_argument("command", choices=[*commands, "do"])
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for `do`: service, arguments")
    given = parser.parse_args()
    if bool(given.arguments) != (given.command == "do"):
        parser.error("`do`, and nothing else, takes a service and its arguments")
    try:
        if given.command == "do":
            _do(*given.arguments)
        else:
            commands[given.command]()
    except (StackError, CommandError, ServerNotReadyError, MissingProgramError) as problem:
        sys.exit(str(problem))


def _up() -> None:
    stack = _stack()
    wanted = os.environ.get("MADANG_STACK_PORT") or (None if stack.nginx.known else _PORT)
    port = None if wanted is None else int(wanted)
    settings = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("MADANG_") and not name.startswith(_OWN) and name not in _NOT_OF_SERVICES
    }
    if stack.is_up and stack.settings == settings and not stack.unreached():
        _say(f"The stack is up already, at {stack.url}; `make stack-down` stops it.")
        return
    begun = time.monotonic()
    stack.up(port=port, settings=settings, report=_say)
    _say(
        f"Madang is ready: {stack.url} ({time.monotonic() - begun:.0f} s)\n"
        f"  CA for clients:  {stack.ca}\n"
        f"  logs:            {stack.folder / 'logs'}\n"
        f"  addresses:       {stack.folder / 'addresses.json'}\n"
        "`make stack-down` stops it."
    )


def _down() -> None:
    stack = _stack()
    stack.down(report=_say)
    _say(f"The stack is down; its data and logs are kept in {stack.folder}.")


def _do(service: str, *arguments: str) -> None:
    sys.stdout.write(_stack().command(service, *arguments))


def _mysql() -> None:
    try:
        mysql_tree()
    except MissingProgramError as missing:
        _say(f"{missing}\nTests on MySQL itself will be skipped; those on MariaDB run.")


def _stack() -> Stack:
    return Stack(Path(os.environ.get("MADANG_STACK_DIR") or ".stack"))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
