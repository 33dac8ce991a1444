"""The declarative base, and column types that mean the same in SQLite and in MySQL."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from sqlalchemy import BigInteger, Enum, MetaData, String
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, mapped_column

ID_LENGTH = 24
"""Length of what `madang_common.ids.new_id` makes."""
TABLE_OPTIONS: Mapping[str, str] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_KIND_LENGTH = 16


class Base(DeclarativeBase):
    """Every constraint gets a name, so that a migration can drop it anywhere."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        }
    )


def ascii_text(length: int) -> String:
    """Return a type for machine-made text, compared byte by byte in every database.

    MySQL's default collations take `a` for `A` and sort `_` before `0`.
    """
    binary = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return String(length).with_variant(binary, "mysql", "mariadb")


def kind_text(kind: type[StrEnum]) -> Enum:
    """Return a type that stores a member of `kind` as its value."""
    return Enum(
        kind,
        native_enum=False,
        length=_KIND_LENGTH,
        values_callable=lambda members: [member.value for member in members],
    )


Id = Annotated[str, mapped_column(ascii_text(ID_LENGTH))]
Milliseconds = Annotated[int, mapped_column(BigInteger)]
"""Since the epoch: a whole number needs no time zone and no fraction of a DATETIME."""
