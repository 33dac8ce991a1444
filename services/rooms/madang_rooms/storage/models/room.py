"""Rooms."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from madang_common.events.kinds import Visibility
from madang_rooms.names import ROOM_NAME_LENGTH
from madang_rooms.storage.models.base import (
    ID_LENGTH,
    TABLE_OPTIONS,
    Base,
    Id,
    Milliseconds,
    PlainText,
    kind_text,
)


class Room(Base):
    """A place to talk."""

    __tablename__ = "rooms"
    __table_args__ = (
        UniqueConstraint("direct_pair"),
        Index(None, "visibility", "id"),
        CheckConstraint("member_count >= 0", name="member_count"),
        dict(TABLE_OPTIONS),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(ROOM_NAME_LENGTH))
    visibility: Mapped[Visibility] = mapped_column(kind_text(Visibility))
    direct_pair: Mapped[str | None] = mapped_column(PlainText(2 * ID_LENGTH + 1))
    """Both members' ids, the lesser first, of a direct room: two people share at most one."""
    member_count: Mapped[int] = mapped_column(default=0)
    """Kept under the room's row lock, so that a limit needs no counting."""
    created_by: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    created_at_ms: Mapped[Milliseconds]
    archived_at_ms: Mapped[Milliseconds | None]

    @property
    def archived(self) -> bool:
        """Whether it can only be read."""
        return self.archived_at_ms is not None

    def peer_of(self, user: str) -> str | None:
        """Return the id of the other one in a direct room."""
        if self.direct_pair is None:
            return None
        low, _, high = self.direct_pair.partition(":")
        return high if user == low else low


def direct_pair(one: str, other: str) -> str:
    """Return what the direct room of two users is known by, whoever asks."""
    return ":".join(sorted((one, other)))
