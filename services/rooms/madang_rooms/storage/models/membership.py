"""Memberships."""

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from madang_common.events.kinds import Role
from madang_rooms.storage.models.base import TABLE_OPTIONS, Base, Id, Milliseconds, kind_text


class Membership(Base):
    """A user's membership and role in a room."""

    __tablename__ = "memberships"
    __table_args__ = (
        Index(None, "user_id", "room_id"),
        Index(None, "room_id", "role"),
        dict(TABLE_OPTIONS),
    )

    room_id: Mapped[Id] = mapped_column(ForeignKey("rooms.id"), primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    role: Mapped[Role] = mapped_column(kind_text(Role))
    joined_at_ms: Mapped[Milliseconds]
    hidden_at_ms: Mapped[Milliseconds | None]
    """When this member hid the direct room."""
