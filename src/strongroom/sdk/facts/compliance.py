"""What is kept about the control of others: vendors, training, documents, exceptions. As of now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

ACKNOWLEDGED_WITHIN: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorFact:
    """A vendor; `name` alone and `known` False where a row names one that is in no register.

    `people` and `workloads` are the entities of those that are its and still there.
    `owner_problem`: why its owner is nobody who is there. `problem`: not as it was written.
    """

    name: str
    known: bool = True
    active: bool = True
    owner_problem: str = ""
    tier: str = ""
    report: str = ""
    report_at: datetime | None = None
    report_until: datetime | None = None
    assessed_at: datetime | None = None
    assess_again_at: datetime | None = None
    contract_ends_at: datetime | None = None
    left_at: datetime | None = None
    people: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseFact:
    """A course that people take, and for how long a completion counts."""

    name: str
    version: str = ""
    validity: timedelta = timedelta(days=365)
    required: bool = True
    self_attested: bool = False
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionFact:
    """That somebody completed a course; `void`: it was taken back since."""

    id: str
    course: str = ""
    version: str = ""
    entity: str = ""
    completed_at: datetime | None = None
    recorded_by: str = ""
    void: bool = False
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFact:
    """A policy or procedure. `version` 0: none is in force.

    `missing` have not acknowledged it within `ACKNOWLEDGED_WITHIN` of when they could. `drift`: it
    is rendered, and says no longer what the settings are.
    """

    name: str
    version: int = 0
    proposed_by: tuple[str, ...] = ()
    approved_by: tuple[str, ...] = ()
    approved_at: datetime | None = None
    reviewed_at: datetime | None = None
    review_every: timedelta = timedelta(days=365)
    missing: tuple[str, ...] = ()
    acknowledged: int = 0
    drift: bool = False
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionFact:
    """An approved departure from a control, of one subject, in force from `begins` to `ends`."""

    id: str
    control: str = ""
    subject: str = ""
    reason: str = ""
    begins: datetime | None = None
    ends: datetime | None = None
    entry: int | None = None
    problem: str = ""


class Compliance(Protocol):
    """The registers."""

    async def vendors(self) -> Sequence[VendorFact]:
        """Return every vendor, and each that workloads or people name and no register has."""
        ...

    async def courses(self) -> Sequence[CourseFact]:
        """Return every course."""
        ...

    async def completions(self) -> Sequence[CompletionFact]:
        """Return every completion of a course."""
        ...

    async def readers(self) -> Mapping[str, str]:
        """Return the active people who can reach a secret, each with a pattern where."""
        ...

    async def documents(self) -> Sequence[DocumentFact]:
        """Return every document that is not withdrawn."""
        ...

    async def exceptions(self) -> Sequence[ExceptionFact]:
        """Return every exception that was ever approved."""
        ...
