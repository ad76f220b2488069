"""Looks for bytes wherever this server leaves some: files, and tables it cannot read as files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from strongroom.core.server import Server
from strongroom.evidence.surroundings import Surroundings
from strongroom.sdk.facts.probes import Searched

CHUNK = 4 * 1024 * 1024
POSTGRES_COLUMNS = (
    "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND data_type IN ('bytea', 'text') ORDER BY 1, 2"
)


@dataclass(frozen=True, slots=True)
class SearchedPlaces:
    """See `sdk.facts.probes.Places`."""

    server: Server
    surroundings: Surroundings

    async def search(self, needles: Sequence[bytes]) -> AsyncIterator[Searched]:
        for path in self.surroundings.files():
            yield await asyncio.to_thread(search_file, path, needles)
        if self.server.database.kind != "sqlite":
            async for searched in self._tables(needles):
                yield searched

    async def _tables(self, needles: Sequence[bytes]) -> AsyncIterator[Searched]:
        for table, column, kind in await self.server.database.rows(POSTGRES_COLUMNS, ()):
            as_bytes = column if kind == "bytea" else f"convert_to({column}, 'UTF8')"
            sql = f"SELECT 1 FROM {table} WHERE position(? IN {as_bytes}) > 0 LIMIT 1"  # noqa: S608
            hits = [
                at
                for at, needle in enumerate(needles)
                if await self.server.database.rows(sql, (needle,))
            ]
            size = await self.server.database.rows(
                f"SELECT coalesce(sum(length({as_bytes})), 0) FROM {table}",  # noqa: S608
                (),
            )
            yield Searched(place=f"{table}.{column}", size=int(size[0][0]), hits=tuple(hits))


def search_file(path: Path, needles: Sequence[bytes]) -> Searched:
    """Look for each needle in one file; blocking. A file that is gone holds nothing."""
    longest = max(map(len, needles), default=1)
    hits: set[int] = set()
    size = 0
    try:
        with path.open("rb") as file:
            kept = b""
            while chunk := file.read(CHUNK):
                size += len(chunk)
                window = kept + chunk
                hits |= {at for at, needle in enumerate(needles) if needle in window}
                kept = window[-longest:]
    except FileNotFoundError:
        return Searched(place=path.name, size=0)
    except OSError as error:
        return Searched(place=path.name, size=size, problem=error.strerror or "cannot be read")
    return Searched(place=path.name, size=size, hits=tuple(sorted(hits)))
