"""A cosignature refuses to be replaced, as the rest of the log does."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Stop REPLACE, which deletes in SQLite without asking the trigger for deletes."""
    if op.get_bind().dialect.name != "sqlite":
        return
    same = "size = NEW.size AND witness = NEW.witness"
    other = "(line <> NEW.line OR at <> NEW.at)"
    there = f"EXISTS (SELECT 1 FROM cosignature WHERE {same} AND {other})"  # noqa: S608 - ours
    op.execute(
        f"CREATE TRIGGER cosignature_refuses_replace BEFORE INSERT ON cosignature WHEN {there} "
        "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
    )
