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
    """A chat room."""

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
    """Both members' ids of a direct room, sorted; unique, so two users share at most one."""
    member_count: Mapped[int] = mapped_column(default=0)
    """Maintained under the room's row lock, so that limits need no COUNT."""
    created_by: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    created_at_ms: Mapped[Milliseconds]
    archived_at_ms: Mapped[Milliseconds | None]

    @property
    def archived(self) -> bool:
        """Whether the room is read-only."""
        return self.archived_at_ms is not None


def direct_pair(one: str, other: str) -> str:
    """Return the unique key of the direct room of two users, in either order."""
    return ":".join(sorted((one, other)))


def peer_of(pair: str, user: str) -> str:
    """Return the id of the other user of a direct room, given its `direct_pair`."""
    low, _, high = pair.partition(":")
    return high if user == low else low
