"""One gateway of a stack under the bench's load: with settings of its own, users and rooms."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.accounts import Account, make_accounts
from bench.seed import insert_rooms
from bench.targets.port import Demand
from bench.targets.private import pid_of
from stack.service import Service
from stack.stack import Stack


@contextmanager
def set_apart(gateway: Service, stack: Stack, settings: Mapping[str, str]) -> Iterator[None]:
    """Run `gateway` with `settings` meanwhile, and leave it stopped.

    Whoever needs it next starts it as all the others.
    """
    gateway.stop()
    gateway.settings = lambda kind: {**stack.settings_of(kind), **settings}
    try:
        gateway.start()
        yield
    finally:
        gateway.kill()


def prepare(stack: Stack, demand: Demand) -> tuple[list[Account], list[str]]:
    """Make users, logged in, and rooms that they are members of; return them and the rooms' ids."""
    keys = Path(stack.settings_of("auth")["MADANG_SIGNING_KEYS_DIR"])
    accounts = make_accounts(demand.users, keys)
    return accounts, insert_rooms(stack.mariadb.url, demand, accounts)


def process_of(service: Service) -> psutil.Process:
    """Return the process of a service that runs."""
    return psutil.Process(pid_of(service))
