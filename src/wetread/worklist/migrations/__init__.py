"""Migrations of the store, run by Alembic; a version a file."""
