"""Who there is: people, workloads, their factors, and the ways in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorFact:
    """A second factor that somebody has enrolled, or a method that is set up (`entity` empty).

    `shown`: its holder has shown it at least once. `disabled` says why it is not taken any more.
    """

    id: str
    entity: str
    kind: str
    shown: bool = True
    user_verified: bool = False
    disabled: str = ""
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFact:
    """Somebody who is registered as a person. `problem`: the row is not as it was written.

    `made_by` are those who made them a person, or wrote an alias of theirs, and who could be behind
    these: as kept, and owners of workloads as of now.
    """

    entity: str
    name: str = ""
    active: bool = True
    worker: str = "employee"
    contract: str = ""
    ends_at: datetime | None = None
    left_at: datetime | None = None
    created_at: datetime | None = None
    policies: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    made_by: tuple[str, ...] = ()
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFact:
    """What is registered as a workload. `owner_problem`: why its owner is nobody who is there."""

    entity: str
    name: str = ""
    active: bool = True
    owner: str = ""
    owner_problem: str = ""
    vendor: str = ""
    ends_at: datetime | None = None
    left_at: datetime | None = None
    created_at: datetime | None = None
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRuleFact:
    """Who holds one of these policies, or is in one of these groups, needs one of these kinds."""

    name: str
    policies: tuple[str, ...]
    groups: tuple[str, ...]
    kinds: tuple[str, ...]
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WayIn:
    """An auth mount, and what locks a name out there after failed logins."""

    path: str
    method: str
    locks: bool
    failures: int
    lasts: timedelta
    forgets: timedelta = timedelta(0)  # after how long a failure does not count any more
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretIdFact:
    """A secret id of an AppRole that would be accepted now. `ends`: it has an end."""

    mount: str
    digest: str
    ends: bool
    entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntranceFact:
    """A role, a user or a configuration to log in by, and who knows how.

    For those in `closed`, who have left, it lets in nobody but who is registered. `problem`: the
    row is not as it was written, and it lets nobody in.
    """

    name: str
    known_to: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshFactor:
    """A rule that asks people for a fresh factor, as it holds now. `kinds` empty: any."""

    name: str
    within: timedelta
    kinds: tuple[str, ...] = ()


class Identities(Protocol):
    """People and workloads, and what they log in with. As of now."""

    async def people(self) -> Sequence[PersonFact]:
        """Return everybody who is registered as a person, also who has left."""
        ...

    async def workloads(self) -> Sequence[WorkloadFact]:
        """Return everything that is registered as a workload, also what is decommissioned."""
        ...

    async def factors(self) -> Sequence[FactorFact]:
        """Return every enrolled factor, and every method of login MFA."""
        ...

    async def factor_rules(self) -> Sequence[FactorRuleFact]:
        """Return the rules that demand factors."""
        ...

    async def ways_in(self) -> Sequence[WayIn]:
        """Return every auth mount."""
        ...

    def secret_ids(self) -> AsyncIterator[SecretIdFact]:
        """Give every secret id of every AppRole mount."""
        ...

    async def entrances(self) -> Sequence[EntranceFact]:
        """Return what is known of who made roles, users and configurations of auth mounts."""
        ...

    async def step_up(self, path: str, operation: str) -> Sequence[FreshFactor]:
        """Return the rules that a request of a person falls under."""
        ...
