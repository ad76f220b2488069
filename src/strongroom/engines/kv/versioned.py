"""KV version 2: secrets with versions, check-and-set, and metadata.

Specs  RFC 7396 (JSON merge patch).
Vault  The paths of Vault's `kv` mount with `version=2`, and OpenBao's `scan`,
       `detailed-metadata`, paging of lists and `metadata_cas`. docs/divergences.md says where
       replies differ.
Trust  Whoever may write a secret can put anything in it, but not unmake what the log says of
       earlier versions. Each version keeps the fingerprint of its data (`document`) until its
       data goes, and the index of the log entry that made it (`records`).
"""

from __future__ import annotations

from typing import ClassVar

from strongroom.engines.kv import config, data, metadata
from strongroom.engines.kv.inputs import (
    AtPath,
    Folder,
    NewConfig,
    NewMetadata,
    OneVersion,
    Subkeys,
    Versions,
    Write,
)
from strongroom.engines.kv.records import CURRENT, Current, current_key
from strongroom.sdk.engine import Call, Endpoint, Nothing, Route


class VersionedKv:
    """Keeps versions of secrets."""

    kind: ClassVar[str] = "kv"
    version: ClassVar[str] = "2"
    heads: ClassVar[tuple[str, ...]] = ("data/", "metadata/")

    def routes(self) -> tuple[Route, ...]:
        """Return the paths of a version 2 mount."""
        names = Endpoint(Folder, metadata.list_names, "secret.list")
        paths = Endpoint(Folder, metadata.scan_names, "secret.scan")
        detailed_names = Endpoint(Folder, metadata.list_detailed, "secret.list")
        detailed_paths = Endpoint(Folder, metadata.scan_detailed, "secret.scan")
        return (
            Route(
                path="config",
                summary="The rules for all secrets of this mount.",
                read=Endpoint(Nothing, config.read, "secret.config.read"),
                write=Endpoint(NewConfig, config.write, "secret.config.write"),
                whole=True,
            ),
            Route(
                path="data/{path...}",
                summary="A secret's data.",
                read=Endpoint(OneVersion, data.read, "secret.read"),
                write=Endpoint(Write, data.write, "secret.write"),
                patch=Endpoint(Write, data.patch, "secret.patch"),
                delete=Endpoint(AtPath, data.delete_newest, "secret.delete"),
                exists=data.exists,
            ),
            Route(
                path="delete/{path...}",
                summary="Delete versions so that it can be undone.",
                write=Endpoint(Versions, data.delete, "secret.delete"),
            ),
            Route(
                path="undelete/{path...}",
                summary="Undo the deletion of versions.",
                write=Endpoint(Versions, data.undelete, "secret.undelete"),
            ),
            Route(
                path="destroy/{path...}",
                summary="Remove versions' data for good.",
                write=Endpoint(Versions, data.destroy, "secret.destroy"),
            ),
            Route(
                path="metadata/{path...}",
                summary="A secret's rules and the facts of its versions.",
                read=Endpoint(AtPath, metadata.read, "secret.metadata.read"),
                list=names,
                scan=paths,
                write=Endpoint(NewMetadata, metadata.write, "secret.metadata.write"),
                patch=Endpoint(NewMetadata, metadata.patch, "secret.metadata.write"),
                delete=Endpoint(AtPath, metadata.delete, "secret.metadata.delete"),
                exists=data.exists,
            ),
            Route(
                path="detailed-metadata/{path...}",
                summary="The metadata of all secrets beneath a path.",
                list=detailed_names,
                scan=detailed_paths,
            ),
            Route(
                path="subkeys/{path...}",
                summary="The names inside a secret's data, without values.",
                read=Endpoint(Subkeys, data.read_subkeys, "secret.metadata.read"),
            ),
        )

    async def written_at(self, call: Call, path: str) -> int | None:
        """Return which entry wrote a secret's newest version; `path` is `data/…`, or its like."""
        _, _, secret = path.partition("/")
        held = await call.store.find(current_key(secret), Current) if secret else None
        if held is None or held.value.newest is None:
            return None
        made = held.value.newest.made
        return held.entry if made is None else made

    async def secrets(self, call: Call, after: str, limit: int) -> list[str]:
        """Return the names of secrets, also of those without a version."""
        return await call.store.keys(CURRENT, after=after, limit=limit)
