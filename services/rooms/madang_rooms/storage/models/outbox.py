"""The outbox."""

from sqlalchemy import BigInteger, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from madang_rooms.storage.models.base import TABLE_OPTIONS, Base, Milliseconds, PlainText

AUDIENCE_LENGTH = 64
LINE_BYTES = 65_535


class OutboxRow(Base):
    """An event to publish to the log; deleted once the log confirmed it."""

    __tablename__ = "outbox"
    # Without AUTOINCREMENT, SQLite reuses the id of a deleted row.
    __table_args__ = {**TABLE_OPTIONS, "sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy declares it so

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    audience: Mapped[str] = mapped_column(PlainText(AUDIENCE_LENGTH))
    line: Mapped[bytes] = mapped_column(LargeBinary(LINE_BYTES))
    """The event as it is appended to the log, its key included."""
    created_at_ms: Mapped[Milliseconds]
