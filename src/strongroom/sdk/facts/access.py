"""Who may do what: tokens that live, environments, rules, and the matrix that they make."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from strongroom.sdk.administration import administers
from strongroom.sdk.batch_tokens import BatchToken

CHANGES = frozenset({"create", "update", "patch", "delete"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveToken:
    """A token that would be accepted now; never its text."""

    accessor: str
    path: str
    policies: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime | None
    explicit_max_ttl: timedelta
    period: timedelta
    entry: int | None
    entity: str = ""
    makers: tuple[str, ...] = ()  # entities with whose tokens it was made
    let_in_by: tuple[str, ...] = ()  # entities who made what it was logged in by


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearing:
    """Whether what a batch token hangs on still stands, whatever its own time; None: unknown.

    `because` says what does not, or why nobody can say. `ends_at` is the end of what it hangs on.
    """

    stands: bool | None
    because: str = ""
    ends_at: datetime | None = None


class Tokens(Protocol):
    """The tokens that live."""

    def live(self) -> AsyncIterator[LiveToken]:
        """Give each service token."""
        ...

    async def bearing(self, batch: BatchToken) -> Bearing:
        """Say whether parent, entity, mount and makers of a batch token would still let it in."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFact:
    """A boundary, as it is configured. `problem` says why it is not stored as written, if so.

    `people` are let in by their policies ("standing"), or by grants alone ("granted").
    """

    name: str
    paths: tuple[str, ...]
    protected: bool
    open: bool
    people: str = "standing"
    entry: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Whether an identity of one environment can reach a pattern of another.

    `by_policy`: some path under the pattern is granted. `guardrail` refuses all of it; empty
    where none does.
    """

    identity: str
    bound: tuple[str, ...]
    environment: str
    pattern: str
    by_policy: bool
    guardrail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one subject may do on one path: as the stored policies say, and as the engine does."""

    path: str
    stored: tuple[str, ...]
    engine: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One subject of the access matrix."""

    subject: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFact:
    """One rule of a stored policy.

    `within` are the protected environments that the rules of its policy cover together, this one
    a part of each. `roots` are those at whose root it grants whatever there may be, with where
    that is. `whole` are the mounts of the server itself that it covers. `escalates` is where it
    lets its holder take rights that no policy gave, whatever their name.
    """

    policy: str
    pattern: str
    capabilities: tuple[str, ...]
    within: tuple[str, ...]
    entry: int | None
    roots: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    escalates: tuple[str, ...] = ()

    @property
    def broad(self) -> str:
        """Say how it grants more than a task takes; nothing if it does not."""
        wild = self.pattern.endswith("*") or "+" in self.pattern.split("/")
        if self.pattern.strip("+/") in ("*", ""):
            return "covers every path there is"
        if self.within:
            return f"covers all of {', '.join(self.within)}, by itself or with its policy"
        if self.roots:
            return f"takes any name at the root of {', '.join(self.roots)}"
        if self.whole and CHANGES & set(self.capabilities):
            return f"changes anything under {', '.join(self.whole)}"
        if wild and "sudo" in self.capabilities:
            return "grants sudo on a wildcard"
        if self.escalates:
            return f"lets its holder take any rights, by {', '.join(self.escalates)}"
        return ""

    @property
    def privileged(self) -> str:
        """Say how it lets its holders decide what others may; nothing if it does not."""
        granted = set(self.capabilities) - {"deny"}
        if granted and self.broad:
            return self.broad
        changes = granted & CHANGES
        if changes and administers(self.pattern):
            return f"changes {self.pattern}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRules:
    """The rules that an identity holds and that grant something, as `policy#pattern`.

    `merged` are the ids of those that went into it, `since` is when it was made.
    """

    entity: str
    name: str
    since: datetime
    rules: tuple[str, ...]
    merged: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """Return who it is, for people."""
        return f"{self.name} ({self.entity})" if self.name else self.entity

    @property
    def names(self) -> tuple[str, ...]:
        """Return the ids under which it acted."""
        return (self.entity, *self.merged)


@dataclass(frozen=True, slots=True, kw_only=True)
class DutiesFact:
    """Which duties of `sdk.duties` somebody has, each with the patterns that give it."""

    subject: str
    duties: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareFact:
    """How many of the secrets of a protected environment somebody can read by wildcards."""

    holder: str
    environment: str
    readable: int
    secrets: int


class Access(Protocol):
    """Policies and identities, as data."""

    async def environments(self) -> Sequence[EnvironmentFact]:
        """Return every environment."""
        ...

    def crossings(self) -> AsyncIterator[Crossing]:
        """Give every bound identity against every pattern of every other protected environment."""
        ...

    def matrix(self) -> AsyncIterator[MatrixRow]:
        """Give what each subject may do on each path, from the rows and from the engine."""
        ...

    def held_rules(self, left_out: Sequence[str]) -> AsyncIterator[HeldRules]:
        """Give the rules that each identity holds, but those of some policies."""
        ...

    def rules(self) -> AsyncIterator[RuleFact]:
        """Give every rule of every stored policy."""
        ...

    def shares(self) -> AsyncIterator[ShareFact]:
        """Give who can read any secret of a protected environment by a wildcard."""
        ...

    def duties(self) -> AsyncIterator[DutiesFact]:
        """Give everybody who can act now, with the duties that they have."""
        ...
