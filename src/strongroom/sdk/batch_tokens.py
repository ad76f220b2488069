"""What entries of the log say of batch tokens: no table has them, and no entry an accessor of one.

Vault   A batch token is a sealed text that whoever has it carries about. It is not renewed, and
        cannot be revoked but through what it hangs on: the token that made it, its entity, its
        mount, and whoever made that.
Trust   Each way of making one writes of what type it is and how long it lives, in the commit that
        lets it go. Of one whose entry does not say so, `ttl` is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from strongroom.sdk.facts.log import LogEntry

MAKING: Final = ("token.create", "auth.login")
BATCH: Final = "batch"
NOBODY: Final = "token:"  # who the log says uses one that has no entity


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchToken:
    """A batch token, as the entry of its making has it."""

    entry: int
    made_at: datetime
    made_by: str  # who asked for it, or logged in
    path: str  # where
    entity: str  # whose it is; empty: nobody's
    policies: tuple[str, ...]
    ttl: timedelta | None
    parent: str = ""  # accessor of the token that it ends with; empty for an orphan
    mount: str = ""  # uuid of the auth method that it ends with
    makers: tuple[str, ...] = ()  # entities that it ends with, beside its own
    let_in_by: tuple[str, ...] = ()  # the same: who made what it, or its parent, was logged in by

    @property
    def ends_at(self) -> datetime | None:
        """When it ends if nothing ends it before; None where nobody can say."""
        if self.ttl is None:
            return None
        return self.made_at + min(self.ttl, datetime.max.replace(tzinfo=UTC) - self.made_at)

    @property
    def user(self) -> str:
        """Who the log says it was, when it is used."""
        return self.entity or NOBODY

    @property
    def subject(self) -> str:
        """What an item calls it."""
        return f"batch token of {self.entity or self.made_by} made at entry {self.entry}"


def batch_token_of(entry: LogEntry) -> BatchToken | None:
    """Return the batch token that an entry made; None for one that made none."""
    own = entry.own
    if not entry.ok or entry.time is None or not entry.code.startswith(MAKING):
        return None
    created = entry.code.startswith("token.create")
    said = own.get("token_type")
    if said != BATCH and (said is not None or not _may_be_one(entry, created=created)):
        return None
    seconds = own.get("ttl")
    known = said == BATCH and isinstance(seconds, int) and not isinstance(seconds, bool)
    return BatchToken(
        entry=entry.index,
        made_at=entry.time,
        made_by=entry.actor or "",
        path=_text(own.get("login")) or entry.path or "",
        entity=_text(own.get("entity")) if created else entry.actor or "",
        policies=_texts(own.get("token_policies")),
        ttl=_life(seconds) if known else None,
        parent=entry.token if created and own.get("orphan") is not True else "",
        mount=_text(own.get("token_mount")),
        makers=_texts(own.get("made_by")),
        let_in_by=_texts(own.get("let_in_by")),
    )


def _may_be_one(entry: LogEntry, *, created: bool) -> bool:
    """Say whether an entry without a type may have made one: it has no accessor of what it made."""
    if created:
        return not entry.own.get("accessor")
    return not entry.token and entry.kind != "system" and entry.own.get("complete") is not False


def _life(seconds: object) -> timedelta | None:
    try:
        return timedelta(seconds=seconds) if isinstance(seconds, int) and seconds > 0 else None
    except OverflowError:
        return None


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _texts(found: object) -> tuple[str, ...]:
    if not isinstance(found, Sequence) or isinstance(found, str | bytes):
        return ()
    return tuple(each for each in found if isinstance(each, str))
