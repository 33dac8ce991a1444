"""Blocks."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from madang_rooms.storage.models.base import TABLE_OPTIONS, Base, Id, Milliseconds


class Block(Base):
    """A block: `user_id` gets no invites from `blocked_id`, and their direct room is hidden."""

    __tablename__ = "blocks"
    __table_args__ = (dict(TABLE_OPTIONS),)

    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    """The user who blocks."""
    blocked_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    created_at_ms: Mapped[Milliseconds]
