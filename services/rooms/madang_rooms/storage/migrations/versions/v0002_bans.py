"""Bans."""

import sqlalchemy as sa
from alembic import op

from madang_rooms.storage.migrations.tables import drop_table, make_table, plain

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of bans."""
    make_table(
        "bans",
        sa.Column("room_id", plain(24), nullable=False),
        sa.Column("user_id", plain(24), nullable=False),
        sa.Column("banned_by", plain(24), nullable=False),
        sa.Column("reason", sa.String(256), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("room_id", "user_id", name=op.f("pk_bans")),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_bans_room_id_rooms")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_bans_user_id_users")),
        sa.ForeignKeyConstraint(["banned_by"], ["users.id"], name=op.f("fk_bans_banned_by_users")),
    )


def downgrade() -> None:
    """Drop the table of bans."""
    drop_table("bans")
