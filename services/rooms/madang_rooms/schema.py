"""The schema: comes to be by the migrations, and by nothing else."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

_MIGRATIONS = Path(__file__).parent / "migrations"


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, to work on `connection`."""
    made = Config()
    made.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def migrate(connection: Connection, revision: str = "head") -> None:
    """Bring the schema behind `connection` to `revision`, up or down; this blocks."""
    if revision == "base":
        command.downgrade(config(connection), revision)
    else:
        command.upgrade(config(connection), revision)
