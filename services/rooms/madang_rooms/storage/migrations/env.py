"""Runs the migrations on the connection that `schema` passes to Alembic.

All of them run in the caller's transaction. If the process is killed, SQLite rolls back to the
schema of before; MySQL cannot, because it commits after each statement.
"""

from alembic import context

from madang_rooms.storage.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
