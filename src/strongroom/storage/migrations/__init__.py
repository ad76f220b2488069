"""The schema's history, the same for both databases.

Alembic runs it; a database that is already at `HEAD` is opened without importing Alembic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strongroom.storage.database import UnsafeDatabaseError

if TYPE_CHECKING:
    from sqlalchemy import Connection

STEPS = (
    *("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010"),
    *("0011", "0012", "0013", "0014", "0015", "0016", "0017"),
)
HEAD = STEPS[-1]
SELECT_VERSION = "SELECT version_num FROM alembic_version"


def is_current(found: Sequence[Sequence[object]]) -> bool:
    """Say whether a database is at `HEAD`, from its rows of `SELECT_VERSION`.

    Raises UnsafeDatabaseError for one that a newer strongroom has made.
    """
    versions = [row[0] for row in found]
    unknown = [str(version) for version in versions if version not in STEPS]
    if unknown:
        raise UnsafeDatabaseError(
            f"the database is at schema {', '.join(unknown)}, which this strongroom does not know;"
            f" it knows {HEAD}: run the version that made it, or a newer one"
        )
    return versions == [HEAD]


def upgrade(connection: Connection) -> None:
    """Bring the schema behind this connection up to `HEAD`, in the transaction it has begun."""
    from alembic import command  # noqa: PLC0415 - heavy, and rarely needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "strongroom:storage/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
