"""Users, rooms, memberships, invites and the outbox."""

import sqlalchemy as sa
from alembic import op

from madang_rooms.storage.migrations.tables import drop_table, make_index, make_table, plain

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    _users()
    _rooms()
    _memberships()
    _invites()
    _outbox()


def downgrade() -> None:
    """Drop all tables."""
    for table in ("outbox", "invites", "memberships", "rooms", "users"):
        drop_table(table)


def _users() -> None:
    make_table(
        "users",
        sa.Column("id", plain(24), nullable=False),
        sa.Column("username", plain(32), nullable=False),
        sa.Column("display_name", sa.String(64), nullable=False),
        sa.Column("password_hash", plain(255), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
    )


def _rooms() -> None:
    make_table(
        "rooms",
        sa.Column("id", plain(24), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("direct_pair", plain(49), nullable=True),
        sa.Column("member_count", sa.Integer(), nullable=False),
        sa.Column("created_by", plain(24), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("archived_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rooms")),
        sa.UniqueConstraint("direct_pair", name=op.f("uq_rooms_direct_pair")),
        sa.CheckConstraint("member_count >= 0", name=op.f("ck_rooms_member_count")),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_rooms_created_by_users")
        ),
    )
    make_index("ix_rooms_visibility_id", "rooms", ["visibility", "id"])


def _memberships() -> None:
    make_table(
        "memberships",
        sa.Column("room_id", plain(24), nullable=False),
        sa.Column("user_id", plain(24), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("joined_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "user_id", name=op.f("pk_memberships")),
        sa.ForeignKeyConstraint(
            ["room_id"], ["rooms.id"], name=op.f("fk_memberships_room_id_rooms")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_memberships_user_id_users")
        ),
    )
    make_index("ix_memberships_user_id_room_id", "memberships", ["user_id", "room_id"])


def _invites() -> None:
    make_table(
        "invites",
        sa.Column("code", plain(24), nullable=False),
        sa.Column("room_id", plain(24), nullable=False),
        sa.Column("created_by", plain(24), nullable=False),
        sa.Column("for_user", plain(24), nullable=True),
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
    )
    make_index("ix_invites_room_id_code", "invites", ["room_id", "code"])
    make_index("ix_invites_for_user_code", "invites", ["for_user", "code"])


def _outbox() -> None:
    make_table(
        "outbox",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("audience", plain(64), nullable=False),
        sa.Column("line", sa.LargeBinary(65_535), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
