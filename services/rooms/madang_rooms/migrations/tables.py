"""Tables and indexes as migrations make them: also where an earlier run was killed half way.

SQLite undoes a migration that fails. MySQL commits at each statement, so what is there is left out.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import SchemaItem

_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def plain(length: int) -> sa.String:
    """Return the type of machine-made text of up to `length` characters."""
    return sa.String(length).with_variant(mysql.VARBINARY(length), "mysql", "mariadb")


def make_table(name: str, *items: SchemaItem, **options: Any) -> None:
    """Make a table."""
    op.create_table(name, *items, if_not_exists=_in_pieces(), **options, **_OPTIONS)


def make_index(name: str, table: str, columns: list[str]) -> None:
    """Make an index."""
    if _in_pieces() and not op.get_context().as_sql:
        made = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}
        if name in made:
            return
    op.create_index(op.f(name), table, columns)


def drop_table(name: str) -> None:
    """Drop a table, its indexes with it."""
    op.drop_table(name, if_exists=_in_pieces())


def _in_pieces() -> bool:
    """Return whether each statement commits, so that a run that was killed left some behind."""
    return op.get_context().dialect.name in {"mysql", "mariadb"}
