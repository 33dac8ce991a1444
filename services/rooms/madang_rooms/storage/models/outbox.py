"""The outbox."""

from sqlalchemy import BigInteger, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from madang_rooms.storage.models.base import TABLE_OPTIONS, Base, Milliseconds, PlainText

AUDIENCE_LENGTH = 64
LINE_BYTES = 65_535


class OutboxRow(Base):
    """An event on its way into the log; gone once the log has confirmed it."""

    __tablename__ = "outbox"
    # Without AUTOINCREMENT, SQLite gives the number of a deleted row out again.
    __table_args__ = {**TABLE_OPTIONS, "sqlite_autoincrement": True}  # noqa: RUF012 - as SQLAlchemy

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    audience: Mapped[str] = mapped_column(PlainText(AUDIENCE_LENGTH))
    line: Mapped[bytes] = mapped_column(LargeBinary(LINE_BYTES))
    """The event as it will stand in the log, its key included."""
    created_at_ms: Mapped[Milliseconds]
