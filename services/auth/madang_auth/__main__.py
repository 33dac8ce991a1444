"""Runs auth on the real servers, makes signing keys, or disables and enables users."""

import argparse
import sys
import time
from pathlib import Path

import structlog

from madang_auth import wiring
from madang_auth.accounts import users_command
from madang_auth.settings import AuthSettings
from madang_auth.signing.cluster_secret import ClusterSecrets, label, secret_name
from madang_auth.signing.key_files import UnusableKeys
from madang_auth.signing.keys import make_first_key, make_key
from madang_common import server
from madang_common.arguments import checked, positive_seconds
from madang_common.settings import CannotStart

log = structlog.get_logger()

NAME = "madang-auth"


def main() -> None:
    """Serve until a signal; with the command `keys` or `users`, run it and exit."""
    arguments = _parser().parse_args()
    if arguments.command == "keys" and arguments.keys == "secret":
        _create_secret(arguments.name, dict(arguments.label), arguments.seconds)
    elif arguments.command == "keys":
        _make_key(arguments.folder, arguments.which)
    elif arguments.command == "users":
        users_command.run(NAME, AuthSettings, wiring.open_user_admin, arguments)
    else:
        server.run(NAME, AuthSettings, wiring.serve)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=NAME, description="Serve auth.")
    commands = parser.add_subparsers(dest="command")
    users_command.add_parser(commands)
    keys = commands.add_parser("keys", help="manage the signing keys")
    actions = keys.add_subparsers(dest="keys", required=True)
    _add_secret(actions)
    new = actions.add_parser("new", help="make a key that signs from now on")
    new.add_argument("folder", type=Path, help="the folder MADANG_SIGNING_KEYS_DIR")
    which = new.add_mutually_exclusive_group()
    which.add_argument(
        "--first",
        dest="which",
        action="store_const",
        const="first",
        help="only if the folder has no key",
    )
    which.add_argument(
        "--next",
        dest="which",
        action="store_const",
        const="next",
        help="publish it, but sign with it only after .next.pem is renamed to .pem",
    )
    return parser


def _add_secret(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    secret = actions.add_parser(
        "secret", help="create the Kubernetes Secret of the keys in this pod's namespace"
    )
    secret.add_argument("name", type=checked(secret_name), help="name of the Secret")
    secret.add_argument(
        "--label",
        type=checked(label),
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a label of the Secret; may be repeated",
    )
    secret.add_argument(
        "--seconds",
        type=positive_seconds,
        default=60,
        help="longest time of the attempts (default: %(default)s)",
    )


def _create_secret(name: str, labels: dict[str, str], seconds: float) -> None:
    try:
        created = ClusterSecrets().create_keys(name, labels, seconds=seconds)
    except CannotStart as error:
        sys.exit(f"{NAME} keys secret: {error}")
    log.info("secret_created" if created else "secret_exists", secret=name)


def _make_key(folder: Path, which: str | None) -> None:
    try:
        if which == "first":
            make_first_key(folder, time.time)
        else:
            make_key(folder, time.time, is_next=which == "next")
    except (UnusableKeys, OSError) as error:
        sys.exit(f"{NAME} keys new: {error}")


if __name__ == "__main__":
    main()
