"""Policies and procedures as documents: versions, which of them is in force, who acknowledged it.

Trust   Guarded: who can write to the database can delete a version or bring back an older row of
        one, and cannot change or make one. The digest of each text is in the entry that proposed
        it and in the one that put it in force.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from strongroom.identity.governance.training import YEAR
from strongroom.storage.register import Register

DOCUMENT: Final = "document"  # the kind of its proposals
POLICY, PROCEDURE = "policy", "procedure"
KINDS: Final = (POLICY, PROCEDURE)


@dataclass(frozen=True, slots=True)
class Document:
    """See the module. `rendered` names the live settings that its text is written from, if it is.

    `in_force` is the version, 0 for none. Whoever is in one of `groups`, or of no group everybody,
    acknowledges each version, where `acknowledge` says so.
    """

    name: str
    title: str
    kind: str
    rendered: str
    owner: str
    review_every: timedelta
    acknowledge: bool
    groups: tuple[str, ...]
    in_force: int
    reviewed_at: datetime | None
    reviewed_by: str
    withdrawn_at: datetime | None
    created_at: datetime
    updated_at: datetime
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """One text of a document. `approved_at` None: it was never in force."""

    document: str
    version: int
    text: str
    sha256: str
    proposal: str
    proposed_by: tuple[str, ...]
    proposed_at: datetime
    approved_by: tuple[str, ...]
    approved_at: datetime | None
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """That somebody has read a version."""

    document: str
    version: int
    entity: str
    at: datetime
    entry: int | None = None


DOCUMENTS = Register("document", Document, key=("name",), guarded=True)
VERSIONS = Register("document_version", DocumentVersion, key=("document", "version"), guarded=True)
ACKNOWLEDGEMENTS = Register(
    "acknowledgement",
    Acknowledgement,
    key=("document", "version", "entity"),
    indexes=(("entity",),),
    guarded=True,
)


def new_document(name: str, now: datetime) -> Document:
    """Return a policy that everybody acknowledges, and that is reviewed each year."""
    return Document(
        name=name,
        title="",
        kind=POLICY,
        rendered="",
        owner="",
        review_every=YEAR,
        acknowledge=True,
        groups=(),
        in_force=0,
        reviewed_at=None,
        reviewed_by="",
        withdrawn_at=None,
        created_at=now,
        updated_at=now,
    )


def asks(document: Document, groups: Collection[str]) -> bool:
    """Say whether somebody in these groups is to acknowledge a document."""
    return document.acknowledge and (
        not document.groups or not set(document.groups).isdisjoint(groups)
    )
