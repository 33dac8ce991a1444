"""Idempotent DDL for migrations.

SQLite rolls back a failed migration. MySQL commits after each statement, so a migration that runs
again skips the tables, columns and indexes that exist.
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
    """Return the column type of machine-made text of up to `length` characters."""
    return sa.String(length).with_variant(mysql.VARBINARY(length), "mysql", "mariadb")


def make_table(name: str, *items: SchemaItem, **options: Any) -> None:
    """Create a table."""
    op.create_table(name, *items, if_not_exists=_commits_each_statement(), **options, **_OPTIONS)


def make_index(name: str, table: str, columns: list[str]) -> None:
    """Create an index."""
    if name not in _indexes(table):
        op.create_index(op.f(name), table, columns)


def drop_index(name: str, table: str, *, columns_of_key: list[str] | None = None) -> None:
    """Drop an index; in MySQL, first create one on `columns_of_key`, those of a foreign key.

    MySQL requires an index for each foreign key. It created one, and dropped it when this index
    made it redundant.
    """
    if _commits_each_statement() and name not in _indexes(table) and not op.get_context().as_sql:
        return
    if _commits_each_statement() and columns_of_key is not None:
        make_index("_".join(("ix", table, *columns_of_key)), table, columns_of_key)
    op.drop_index(op.f(name), table)


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Add a column."""
    if column.name not in _columns(table):
        op.add_column(table, column)


def drop_column(table: str, name: str) -> None:
    """Drop a column."""
    if not _commits_each_statement() or op.get_context().as_sql or name in _columns(table):
        op.drop_column(table, name)


def drop_table(name: str) -> None:
    """Drop a table with its indexes."""
    op.drop_table(name, if_exists=_commits_each_statement())


def _indexes(table: str) -> set[str | None]:
    """Return the indexes of `table` that an interrupted run may have created."""
    if not _commits_each_statement() or op.get_context().as_sql:
        return set()
    return {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}


def _columns(table: str) -> set[str]:
    """Return the columns of `table` that an interrupted run may have created."""
    if not _commits_each_statement() or op.get_context().as_sql:
        return set()
    return {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}


def _commits_each_statement() -> bool:
    """Return whether each statement commits, so that an interrupted run leaves some behind."""
    return op.get_context().dialect.name in {"mysql", "mariadb"}
