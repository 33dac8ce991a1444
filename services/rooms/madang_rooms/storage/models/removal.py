"""Removals."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from madang_rooms.storage.models.base import TABLE_OPTIONS, Base, Id, Milliseconds


class Removal(Base):
    """A removal or ban from a room; older links no longer admit the user."""

    __tablename__ = "removals"
    __table_args__ = (dict(TABLE_OPTIONS),)

    room_id: Mapped[Id] = mapped_column(ForeignKey("rooms.id"), primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    removed_at_ms: Mapped[Milliseconds]
    """At least the creation time of every link that existed then."""
