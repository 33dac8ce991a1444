"""Removals."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from madang_rooms.storage.models.base import TABLE_OPTIONS, Base, Id, Milliseconds


class Removal(Base):
    """A user was removed or banned from a room: links made before do not let them in."""

    __tablename__ = "removals"
    __table_args__ = (dict(TABLE_OPTIONS),)

    room_id: Mapped[Id] = mapped_column(ForeignKey("rooms.id"), primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    removed_at_ms: Mapped[Milliseconds]
    """No earlier than any link of the room that was made before."""
