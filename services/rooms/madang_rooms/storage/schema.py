"""The schema: comes to be by the migrations, and by nothing else."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from madang_common.settings import CannotStart

_MIGRATIONS = Path(__file__).parent / "migrations"


class WrongRevision(CannotStart):
    """The schema is not the one that this code was written for."""


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, to work on `connection`."""
    made = Config()
    made.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def migrate(connection: Connection, revision: str = "head") -> None:
    """Bring the schema behind `connection` to `revision`, up or down; this blocks.

    Raise CannotStart if there is no such revision.
    """
    try:
        if revision == "base":
            command.downgrade(config(connection), revision)
        else:
            command.upgrade(config(connection), revision)
    except CommandError as error:
        raise CannotStart(str(error)) from error


def revision_of(connection: Connection) -> str | None:
    """Return the revision that the schema behind `connection` is at; None before the first."""
    return MigrationContext.configure(connection).get_current_revision()


def check(connection: Connection) -> None:
    """Raise WrongRevision if the schema behind `connection` is not at the last revision."""
    wanted = ScriptDirectory.from_config(config()).get_current_head()
    found = revision_of(connection)
    if found != wanted:
        raise WrongRevision(
            f"the database's schema is at revision {found}, this version needs {wanted}:"
            " run `madang-rooms migrate`"
        )
