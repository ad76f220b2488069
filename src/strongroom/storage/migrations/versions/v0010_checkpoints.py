"""A checkpoint refuses to be replaced by one of another time, too."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Compare the time beside the note in the trigger that stops REPLACE, on SQLite."""
    if op.get_bind().dialect.name != "sqlite":
        return
    other = "(note <> NEW.note OR at <> NEW.at)"
    there = f"EXISTS (SELECT 1 FROM checkpoint WHERE size = NEW.size AND {other})"  # noqa: S608 - ours
    op.execute("DROP TRIGGER checkpoint_refuses_replace")
    op.execute(
        f"CREATE TRIGGER checkpoint_refuses_replace BEFORE INSERT ON checkpoint WHEN {there} "
        "BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"
    )
