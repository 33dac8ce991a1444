"""Invites."""

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from madang_rooms.storage.models.base import TABLE_OPTIONS, Base, Id, Milliseconds


class Invite(Base):
    """A code to join a room: a link for anyone who has it, or an invite for one user."""

    __tablename__ = "invites"
    __table_args__ = (
        Index(None, "room_id", "code"),
        Index(None, "for_user", "code"),
        Index(None, "created_by", "expires_at_ms"),
        CheckConstraint("uses_left >= 0", name="uses_left"),
        dict(TABLE_OPTIONS),
    )

    code: Mapped[Id] = mapped_column(primary_key=True)
    room_id: Mapped[Id] = mapped_column(ForeignKey("rooms.id"))
    created_by: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    for_user: Mapped[Id | None] = mapped_column(ForeignKey("users.id"))
    """The only user who may accept; None for a link."""
    uses_left: Mapped[int]
    created_at_ms: Mapped[Milliseconds]
    expires_at_ms: Mapped[Milliseconds]
    declined_at_ms: Mapped[Milliseconds | None]
    """When its user declined it, which its inviter does not learn."""
    revoked_at_ms: Mapped[Milliseconds | None]
    """When an invite for a user was revoked; it still counts against its inviter's limit."""

    def open_at(self, now_ms: int) -> bool:
        """Return whether it can be accepted at `now_ms`."""
        return self.uses_left > 0 and now_ms < self.expires_at_ms
