"""Users."""

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from madang_common.names import DISPLAY_NAME_LENGTH, USERNAME_LENGTH
from madang_rooms.storage.models.base import TABLE_OPTIONS, Base, Id, Milliseconds, PlainText

PASSWORD_HASH_LENGTH = 255


class User(Base):
    """A registered user."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("username"),
        Index(None, "disabled", "id"),
        dict(TABLE_OPTIONS),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(PlainText(USERNAME_LENGTH))
    display_name: Mapped[str] = mapped_column(String(DISPLAY_NAME_LENGTH))
    password_hash: Mapped[str] = mapped_column(PlainText(PASSWORD_HASH_LENGTH))
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at_ms: Mapped[Milliseconds]
