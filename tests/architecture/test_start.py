"""What a start may load: a command line that takes a second is one that people alias away."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {
    *("alembic", "asyncio", "asyncpg", "http.client", "msgspec", "pysqlite3", "rich", "sqlalchemy"),
    *("ssl", "structlog", "typst", "uvicorn", "uvloop", "xlsxwriter"),
}


def test_the_cli_starts_without_what_only_some_commands_need() -> None:
    program = "import sys, strongroom.cli.main; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert HEAVY & set(loaded.stdout.split()) == set()
