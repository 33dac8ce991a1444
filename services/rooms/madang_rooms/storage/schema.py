"""The schema, which only the migrations create and change."""

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
    """The schema is at another revision than this code needs."""


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for `connection`."""
    alembic = Config()
    alembic.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    alembic.set_main_option("path_separator", "os")
    alembic.attributes["connection"] = connection
    return alembic


def migrate(connection: Connection, revision: str = "head") -> None:
    """Migrate the schema to `revision`, up or down; blocks.

    Raise CannotStart if the revision does not exist.
    """
    try:
        if revision != "head" and revision in _lower_revisions(connection):
            command.downgrade(config(connection), revision)
        else:
            command.upgrade(config(connection), revision)
    except CommandError as error:
        raise CannotStart(str(error)) from error


def _lower_revisions(connection: Connection) -> set[str]:
    """Return the revisions below that of the schema."""
    found = revision_of(connection)
    if found is None:
        return {"base"}
    steps = ScriptDirectory.from_config(config()).iterate_revisions(found, "base")
    return {"base", *(step.revision for step in steps)} - {found}


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the schema; None before the first migration."""
    return MigrationContext.configure(connection).get_current_revision()


def check(connection: Connection) -> None:
    """Raise WrongRevision if the schema is not at the last revision."""
    wanted = ScriptDirectory.from_config(config()).get_current_head()
    found = revision_of(connection)
    if found != wanted:
        raise WrongRevision(
            f"the database's schema is at revision {found}, this version needs {wanted};"
            " run `madang-rooms migrate`"
        )
