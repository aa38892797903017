"""What Alembic runs: the store's migrations on the connection that it is given."""

from alembic import context

from wetread.worklist.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite alters a table by making it anew
)
context.run_migrations()
