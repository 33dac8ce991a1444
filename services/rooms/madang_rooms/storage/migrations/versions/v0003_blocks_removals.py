"""Blocks, removals, hidden rooms, and declined and revoked invites."""

import sqlalchemy as sa
from alembic import op

from madang_rooms.storage.migrations.tables import (
    add_column,
    drop_column,
    drop_index,
    drop_table,
    make_index,
    make_table,
    plain,
)

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ADDED = (
    ("memberships", "hidden_at_ms"),
    ("invites", "declined_at_ms"),
    ("invites", "revoked_at_ms"),
)


def upgrade() -> None:
    """Create the tables, columns and indexes."""
    make_table(
        "blocks",
        sa.Column("user_id", plain(24), nullable=False),
        sa.Column("blocked_id", plain(24), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "blocked_id", name=op.f("pk_blocks")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_blocks_user_id_users")),
        sa.ForeignKeyConstraint(
            ["blocked_id"], ["users.id"], name=op.f("fk_blocks_blocked_id_users")
        ),
    )
    make_table(
        "removals",
        sa.Column("room_id", plain(24), nullable=False),
        sa.Column("user_id", plain(24), nullable=False),
        sa.Column("removed_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "user_id", name=op.f("pk_removals")),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_removals_room_id_rooms")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_removals_user_id_users")),
    )
    for table, column in _ADDED:
        add_column(table, sa.Column(column, sa.BigInteger(), nullable=True))
    make_index("ix_invites_created_by_expires_at_ms", "invites", ["created_by", "expires_at_ms"])
    make_index("ix_users_disabled_id", "users", ["disabled", "id"])
    make_index("ix_memberships_room_id_role", "memberships", ["room_id", "role"])


def downgrade() -> None:
    """Drop them."""
    drop_index("ix_memberships_room_id_role", "memberships")
    drop_index("ix_users_disabled_id", "users")
    drop_index("ix_invites_created_by_expires_at_ms", "invites", columns_of_key=["created_by"])
    for table, column in reversed(_ADDED):
        drop_column(table, column)
    drop_table("removals")
    drop_table("blocks")
