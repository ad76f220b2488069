"""What version 2 stores, under which keys, and how a secret's record changes.

Keys    `config`; `current/{path}`: the secret's facts and the newest version's data, so that
        the everyday read costs one row; `version/{path}/{number}`: an older version's data.
        The number is what follows the last slash, so no two secrets share a key, whatever
        their paths.
Entry   `Version.made` is the index of the log entry that made it. None stands for the entry of
        the row that holds its data; a record that is written for another reason, or whose data
        moves to another row, has the index written out first (`settled`).
Trust   Whoever can change a row can change the past of its secret as told here, not as told
        by the log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from strongroom.sdk.engine import Held, Json

CONFIG = "config"
CURRENT = "current/"
KEPT_BY_DEFAULT = 10
NEVER = timedelta(seconds=-1)
_ZERO = timedelta(0)


def current_key(path: str) -> str:
    """Return the key of a secret's record."""
    return CURRENT + path


def version_key(path: str, number: int) -> str:
    """Return the key of an older version's data."""
    return f"version/{path}/{number:010d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The mount's rules for all its secrets. 0 versions means the default, 0 s no limit."""

    max_versions: int = 0
    cas_required: bool = False
    metadata_cas_required: bool = False
    delete_version_after: timedelta = (
        _ZERO  # negative: no version expires, whatever its secret says
    )


@dataclass(frozen=True, slots=True)
class Version:
    """The facts of one version; they outlive its data."""

    number: int
    created: datetime
    deleted: datetime | None = None  # may lie ahead: then the version expires
    destroyed: bool = False
    made: int | None = None

    def readable(self, now: datetime) -> bool:
        """Return whether its data may be given out."""
        return not self.destroyed and (self.deleted is None or self.deleted > now)

    def deleted_at(self, now: datetime) -> Version:
        """Return it deleted; one that was deleted before keeps its time."""
        return replace(self, deleted=now) if self.readable(now) else self

    def restored_until(self, until: datetime | None) -> Version:
        """Return it readable again, unless it is destroyed."""
        return self if self.destroyed else replace(self, deleted=until)

    def without_data(self) -> Version:
        """Return it destroyed."""
        return replace(self, destroyed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """A secret: its rules, the facts of its versions (oldest first), and the newest one's data."""

    created: datetime
    updated: datetime
    versions: tuple[Version, ...] = ()
    data: Json | None = None  # None: no version yet, or the newest is destroyed
    revision: int = 0  # of the rules, counted for `metadata_cas`
    max_versions: int = 0
    cas_required: bool = False
    metadata_cas_required: bool = False
    delete_version_after: timedelta = _ZERO
    custom_metadata: dict[str, str] | None = None

    @property
    def newest(self) -> Version | None:
        """The newest version, if there is any."""
        return self.versions[-1] if self.versions else None

    @property
    def number(self) -> int:
        """The newest version's number, or 0."""
        return self.versions[-1].number if self.versions else 0

    @property
    def oldest(self) -> int:
        """The oldest version's number, or 0 as long as none has been dropped (Vault's rule)."""
        first = self.versions[0].number if self.versions else 0
        return first if first > 1 else 0

    def version(self, number: int) -> Version | None:
        """Return the version with that number, if it is still known."""
        return next((v for v in self.versions if v.number == number), None)


def settled(held: Held[Current]) -> Current:
    """Return the record with the newest version's entry written out."""
    current = held.value
    newest = current.newest
    if newest is None or newest.made is not None:
        return current
    made = Version(newest.number, newest.created, newest.deleted, newest.destroyed, held.entry)
    versions = (*current.versions[:-1], made)
    return _remade(current, current.updated, versions, current.data)


def _remade(
    current: Current, updated: datetime, versions: tuple[Version, ...], data: Json | None
) -> Current:
    """Return the record with these; written out, since `replace` costs as much as a query."""
    return Current(
        created=current.created,
        updated=updated,
        versions=versions,
        data=data,
        revision=current.revision,
        max_versions=current.max_versions,
        cas_required=current.cas_required,
        metadata_cas_required=current.metadata_cas_required,
        delete_version_after=current.delete_version_after,
        custom_metadata=current.custom_metadata,
    )


def kept(config: Config, current: Current) -> int:
    """Return how many versions of a secret are kept."""
    return max(config.max_versions, current.max_versions) or KEPT_BY_DEFAULT


def expiry(config: Config, current: Current, now: datetime) -> datetime | None:
    """Return when a version that is made or undeleted now expires, if it does."""
    if config.delete_version_after < _ZERO:
        return None
    limits = [d for d in (config.delete_version_after, current.delete_version_after) if d]
    return now + min(limits) if limits else None


def grown(current: Current, config: Config, data: Json, now: datetime) -> Current:
    """Return the record with one version more, and without those beyond the limit."""
    new = Version(current.number + 1, now, expiry(config, current, now))
    versions = (*current.versions, new)[-kept(config, current) :]
    return _remade(current, now, versions, data)


def changed(
    current: Current, numbers: Collection[int], change: Callable[[Version], Version]
) -> Current:
    """Return the record with some versions changed, and no data if the newest is destroyed."""
    versions = tuple(change(v) if v.number in numbers else v for v in current.versions)
    gone = not versions or versions[-1].destroyed
    return _remade(current, current.updated, versions, None if gone else current.data)
