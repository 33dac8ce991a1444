"""The declarative base, and column types that behave the same in SQLite and MySQL."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from sqlalchemy import BigInteger, Dialect, Enum, MetaData, String, TypeDecorator
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeEngine
from typing_extensions import override

ID_LENGTH = 24
"""Length of the ids that `madang_common.ids.new_id` returns."""
TABLE_OPTIONS: Mapping[str, str] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
"""User text is compared by code points.

In the other collations that MySQL and MariaDB share, all emoji are equal.
"""
_KIND_LENGTH = 16


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can drop it in any database."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        }
    )


class PlainText(TypeDecorator[str]):
    """Machine-made text, compared byte by byte in every database.

    Every collation that MySQL and MariaDB share ignores trailing spaces, or case: `a ` or `A`
    would match the id `a`. VARBINARY does not.
    """

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        """Hold up to `length` ASCII characters."""
        super().__init__(length)
        self._length = length

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str] | TypeEngine[bytes]:
        if _is_mysql(dialect):
            return dialect.type_descriptor(mysql.VARBINARY(self._length))
        return dialect.type_descriptor(String(self._length))

    @override
    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | bytes | None:
        return value.encode() if value is not None and _is_mysql(dialect) else value

    @override
    def process_result_value(self, value: str | bytes | None, dialect: Dialect) -> str | None:
        return value.decode() if isinstance(value, bytes) else value


def _is_mysql(dialect: Dialect) -> bool:
    return dialect.name in {"mysql", "mariadb"}


def kind_text(kind: type[StrEnum]) -> Enum:
    """Return a type that stores a member of `kind` as its value."""
    return Enum(
        kind,
        native_enum=False,
        length=_KIND_LENGTH,
        values_callable=lambda members: [member.value for member in members],
    )


Id = Annotated[str, mapped_column(PlainText(ID_LENGTH))]
Milliseconds = Annotated[int, mapped_column(BigInteger)]
"""Time since the epoch; an integer has no time zone and no rounding, unlike DATETIME."""
