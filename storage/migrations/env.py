"""Alembic's entry: runs the migrations on the connection that `storage.migrate` hands over."""

from alembic import context

from storage.tables import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    on_version_apply=context.config.attributes.get("applied"),
)
context.run_migrations()
