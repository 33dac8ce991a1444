"""Users, rooms, memberships, invites and the outbox."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def _ascii(length: int) -> sa.String:
    binary = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(binary, "mysql", "mariadb")


def upgrade() -> None:
    """Make all tables."""
    _users()
    _rooms()
    _memberships()
    _invites()
    _outbox()


def downgrade() -> None:
    """Drop all tables."""
    for table in ("outbox", "invites", "memberships", "rooms", "users"):
        op.drop_table(table)


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", _ascii(24), nullable=False),
        sa.Column("username", _ascii(32), nullable=False),
        sa.Column("display_name", sa.String(64), nullable=False),
        sa.Column("password_hash", _ascii(255), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
        **_OPTIONS,
    )


def _rooms() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", _ascii(24), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("direct_pair", _ascii(49), nullable=True),
        sa.Column("member_count", sa.Integer(), nullable=False),
        sa.Column("created_by", _ascii(24), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("archived_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rooms")),
        sa.UniqueConstraint("direct_pair", name=op.f("uq_rooms_direct_pair")),
        sa.CheckConstraint("member_count >= 0", name=op.f("ck_rooms_member_count")),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_rooms_created_by_users")
        ),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_rooms_visibility_id"), "rooms", ["visibility", "id"])


def _memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("room_id", _ascii(24), nullable=False),
        sa.Column("user_id", _ascii(24), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("joined_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "user_id", name=op.f("pk_memberships")),
        sa.ForeignKeyConstraint(
            ["room_id"], ["rooms.id"], name=op.f("fk_memberships_room_id_rooms")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_memberships_user_id_users")
        ),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_memberships_user_id_room_id"), "memberships", ["user_id", "room_id"])


def _invites() -> None:
    op.create_table(
        "invites",
        sa.Column("code", _ascii(24), nullable=False),
        sa.Column("room_id", _ascii(24), nullable=False),
        sa.Column("created_by", _ascii(24), nullable=False),
        sa.Column("for_user", _ascii(24), nullable=True),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_invites")),
        sa.CheckConstraint("uses_left >= 0", name=op.f("ck_invites_uses_left")),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_invites_room_id_rooms")),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_invites_created_by_users")
        ),
        sa.ForeignKeyConstraint(["for_user"], ["users.id"], name=op.f("fk_invites_for_user_users")),
        **_OPTIONS,
    )
    op.create_index(op.f("ix_invites_room_id_code"), "invites", ["room_id", "code"])
    op.create_index(op.f("ix_invites_for_user_code"), "invites", ["for_user", "code"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("audience", _ascii(64), nullable=False),
        sa.Column("line", sa.LargeBinary(65_535), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
        **_OPTIONS,
    )
