"""Bans."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from madang_rooms.names import REASON_LENGTH
from madang_rooms.storage.models.base import TABLE_OPTIONS, Base, Id, Milliseconds


class Ban(Base):
    """A user who may not join a room."""

    __tablename__ = "bans"
    __table_args__ = (dict(TABLE_OPTIONS),)

    room_id: Mapped[Id] = mapped_column(ForeignKey("rooms.id"), primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    banned_by: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str | None] = mapped_column(String(REASON_LENGTH))
    """Visible only to members who may ban."""
    created_at_ms: Mapped[Milliseconds]
    expires_at_ms: Mapped[Milliseconds | None]
    """None for a ban without expiry."""
