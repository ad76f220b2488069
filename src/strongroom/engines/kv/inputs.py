"""What the paths of version 2 take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from strongroom.sdk.engine import Help, Json, Page, Sent

MOST_VERSIONS = 2**32 - 1
_LONGEST = 9_223_372_036  # seconds in the longest duration that is read
_ZERO = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class AtPath:
    """A secret's path."""

    path: Annotated[str, Help("Where the secret is, below the mount.")]


@dataclass(frozen=True, kw_only=True)
class Folder(Page):
    """A folder's path, and the part of its names that is wanted."""

    path: Annotated[str, Help("The folder; empty is the whole mount.")] = ""


@dataclass(frozen=True, kw_only=True)
class OneVersion(AtPath):
    """One of a secret's versions."""

    version: Annotated[int, Help("The version; 0 or less is the newest.")] = 0


@dataclass(frozen=True, kw_only=True)
class Subkeys(OneVersion):
    """One version's names."""

    depth: Annotated[int, Help("How many levels of keys to show; 0 is all.")] = 0


@dataclass(frozen=True, kw_only=True)
class Write(AtPath):
    """`data` that is left out is not `data` that is null."""

    data: Annotated[Json | None, Help("The secret: an object.")] = None
    options: Annotated[
        Mapping[str, object], Help("`cas`: the version that must be the newest; 0 is none.")
    ] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Versions(AtPath):
    """Some of a secret's versions."""

    versions: Annotated[tuple[int, ...], Help("Numbers of versions.")] = ()


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What both the mount and a secret may set."""

    max_versions: Annotated[
        int, Help("How many versions to keep; 0 is 10.", least=0, most=MOST_VERSIONS)
    ] = 0
    cas_required: Annotated[bool, Help("Whether each write must send `options.cas`.")] = False
    metadata_cas_required: Annotated[
        bool, Help("Whether each change of metadata must send `metadata_cas`.")
    ] = False
    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class NewConfig(Rules):
    """The mount's rules."""

    delete_version_after: Annotated[
        timedelta,
        Help("How long versions live; 0 is for ever, -1s switches it off.", least=-_LONGEST),
    ] = _ZERO


@dataclass(frozen=True, kw_only=True)
class NewMetadata(Rules, AtPath):
    """A secret's rules, and what is written about it."""

    delete_version_after: Annotated[
        timedelta, Help("How long new versions live; 0 is as the mount says.")
    ] = _ZERO
    custom_metadata: Annotated[
        Mapping[str, object] | None,
        Help("Up to 64 texts of up to 512 bytes by keys of up to 128 bytes."),
    ] = None
    metadata_cas: Annotated[
        int, Help("The metadata's present version; 0 where there is none yet.")
    ] = 0
