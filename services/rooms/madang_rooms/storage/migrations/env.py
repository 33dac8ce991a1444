"""Runs the migrations on the connection that `schema` gives to Alembic.

The caller's transaction holds all of them, so that a process killed in between leaves the schema
as it was, where the database can do that (SQLite; MySQL commits at each table).
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
