"""Run by alembic: works on the connection it is given, so that a migration is one transaction."""

from alembic import context

from cloud_bridge.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by making it anew
    transactional_ddl=True,
)
context.run_migrations()
