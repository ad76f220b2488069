"""Everybody who held access at a past moment, from what is stored and from the log.

What is certain is taken, in this order; what is neither is said, and never made up.

    stored   a row whose last write is before the moment is as it was then; every version of every
             policy is stored, and a token that lives now was as it is when it was made
    the log  policies of entities and groups, who was let into groups and out, environments, ends of
             policies: the last entry before the moment that says so, if it was not shortened

Limits  Names and metadata are in no entry: of an entity that was written since, rules with a
        template give nothing. A token that has ended since is not shown; what its login gave is. An
        auth mount whose users or roles were written since does not say what it gave then.
Order   By the indexes of entries. Where the clock was set back over the moment, that is said.
Cost    The log is read once, in pieces, while requests go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final

from strongroom.audit.decoding import decoded
from strongroom.audit.log import Log
from strongroom.base.clock import parse_time, rfc3339
from strongroom.base.errors import InputError
from strongroom.core.guardrails import Guardrails
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.core.system.everybody import Everybody
from strongroom.core.system.holders import Holders, Known, known_now
from strongroom.core.views import Live, parsed
from strongroom.identity.governance.records import Grant
from strongroom.identity.groups import Graph
from strongroom.identity.policy.document import Policy
from strongroom.identity.records import (
    ENVIRONMENTS,
    GROUP_MEMBERS,
    GROUPS,
    POLICY_VERSIONS,
    TOKENS,
    Entity,
    Environment,
    Group,
    GroupMember,
    Person,
    PolicyVersion,
    StoredPolicy,
    Workload,
)
from strongroom.sdk.facts.log import LogEntry
from strongroom.sdk.sink import Entry
from strongroom.storage.transaction import Transaction

PIECE: Final = 1000
KEPT: Final = 4
TURN: Final = 200
CODES: Final = (
    *("entity.", "group.", "registration.approve", "scim.", "auth.login", "token."),
    *("environment.", "policy.", "person.", "workload."),
)
_MARKS: Final = tuple(b'"event_code":"%s' % code.encode() for code in CODES)
_TIME: Final = b'"time":"'
_AUTH: Final = b'"path":"auth/'
CHANGES: Final = frozenset({"create", "update", "patch", "delete"})
NO_METADATA: Final = "written since: its name and metadata of then are in no entry"


@dataclass(slots=True)
class Past:
    """What entries before a moment say. `boundary` is the index of the first one behind it."""

    boundary: int = 0
    began: datetime | None = None
    policies: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by entity
    disabled: dict[str, bool] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)  # entities
    members: dict[str, set[str]] = field(default_factory=dict)  # entities by group
    group_policies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    nested: set[str] = field(default_factory=set)  # groups that had groups in them
    gone: set[str] = field(default_factory=set)  # groups
    environments: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    ends: dict[int, datetime | None] = field(default_factory=dict)  # of policies, by entry
    tokens: set[str] = field(default_factory=set)  # accessors that were given and not ended
    changed: set[str] = field(default_factory=set)  # paths below auth/ written since
    unsure: dict[str, str] = field(default_factory=dict)  # by entity or group
    notes: list[str] = field(default_factory=list)
    went_back: bool = False

    def follow(self, entry: LogEntry) -> None:
        """Take the next entry before the moment."""
        if not entry.ok:
            return
        kind, own = entry.code.partition(".")[0], entry.own
        if entry.code == "auth.login":
            self.seen |= {entry.actor} if entry.actor else set()
            self.tokens |= {entry.token} if entry.token else set()
        if kind == "token":
            self._token(entry)
        elif isinstance(entity := own.get("entity"), str):
            self._entity(entity, entry)
        if entry.code in {"entity.delete", "entity.merge"}:
            self._gone(entry)
        if isinstance(group := own.get("group"), str):
            self._group(group, entry)
        self._follow_login(entry)
        if kind == "environment" and isinstance(own.get("boundary"), str):
            self._environment(str(own["boundary"]), entry)
        if entry.code == "policy.write":
            end = own.get("expires")
            self.ends[entry.index] = parse_time(end, "") if isinstance(end, str) else None

    def _follow_login(self, entry: LogEntry) -> None:
        for name, joins in (("groups_joined", True), ("groups_left", False)):
            for each in _texts(entry.own.get(name)):
                self._move(each, (entry.actor or "",), joins=joins)

    def _entity(self, entity: str, entry: LogEntry) -> None:
        if entry.operation not in CHANGES:
            return
        self.seen.add(entity)
        if entry.lacks("entity_policies", "groups"):
            self.unsure[entity] = f"entry {entry.index} was shortened"
        elif isinstance(said := entry.own.get("entity_policies"), list):
            self.policies[entity] = _texts(said)
            self.unsure.pop(entity, None)
        if isinstance(disabled := entry.own.get("disabled"), bool):
            self.disabled[entity] = disabled
        if entry.code == "registration.approve":
            for group in _texts(entry.own.get("groups")):
                self._move(group, (entity,), joins=True)

    def _gone(self, entry: LogEntry) -> None:
        stays = entry.own.get("entity") if entry.code == "entity.merge" else None
        if entry.lacks("entities"):
            self.notes.append(
                f"entry {entry.index} was shortened: which entities went is not known"
            )
        for each in _texts(entry.own.get("entities")):
            self.seen.discard(each)
            for held in self.members.values():
                if each in held:
                    held.discard(each)
                    held.update({stays} if isinstance(stays, str) else ())

    def _group(self, group: str, entry: LogEntry) -> None:
        own = entry.own
        if entry.code == "group.delete" or (
            entry.code.startswith("scim.") and entry.operation == "delete"
        ):
            self.gone.add(group)
            self.members.pop(group, None)
            return
        if entry.operation not in CHANGES:
            return
        if entry.lacks("let_in", "let_out", "joined", "left", "group_policies"):
            self.unsure[group] = f"entry {entry.index} was shortened"
        for name, joins in (
            ("let_in", True),
            ("joined", True),
            ("let_out", False),
            ("left", False),
        ):
            self._move(group, _texts(own.get(name)), joins=joins)
        if isinstance(said := own.get("group_policies"), list):
            self.group_policies[group] = _texts(said)
        if "groups_in_it" in own:
            (self.nested.add if own["groups_in_it"] else self.nested.discard)(group)

    def _move(self, group: str, entities: Iterable[str], *, joins: bool) -> None:
        held = self.members.setdefault(group, set())
        (held.update if joins else held.difference_update)(entities)

    def _environment(self, name: str, entry: LogEntry) -> None:
        if entry.code == "environment.delete":
            self.environments.pop(name, None)
        elif entry.operation in CHANGES:
            self.environments[name] = entry.own

    def _token(self, entry: LogEntry) -> None:
        said = _texts(entry.own.get("accessors")) or _texts([entry.own.get("accessor")])
        if entry.code == "token.create":
            self.tokens |= set(said)
        elif entry.code in {"token.revoke", "token.expire"}:
            self.tokens -= set(said)


async def read_past(log: Log, at: datetime) -> Past:
    """Read the log. Raises InputError for a moment before it begins."""
    past, limit = Past(), rfc3339(at).encode().removesuffix(b"Z")
    async for entry in _entries(log):
        time = _time(entry.leaf)
        if past.began is None and time:
            past.began = parse_time(f"{time.decode()}Z", "")
        if time and time <= limit:
            past.boundary = entry.index + 1
    if not past.boundary:
        raise InputError("at", "is before the log begins")
    async for entry in _entries(log):
        leaf = entry.leaf
        if entry.index >= past.boundary:
            past.changed |= _written(entry)
        elif any(mark in leaf for mark in _MARKS):
            past.follow(decoded(entry.index, leaf))
        if entry.index < past.boundary and _time(leaf) > limit and not past.went_back:
            past.went_back = True
            past.notes.append(
                f"the clock went back: entry {entry.index} is of a later time, and stands before "
                "others of then; the order of entries counts"
            )
    return past


async def _entries(log: Log) -> AsyncIterator[Entry]:
    for start in range(0, log.size, PIECE):
        for entry in await log.entries(start, min(start + PIECE, log.size)):
            yield entry
        await asyncio.sleep(0)


def _written(entry: Entry) -> set[str]:
    """Return the path of what sets up an auth mount, if an entry is of that."""
    if _AUTH not in entry.leaf:
        return set()
    found = decoded(entry.index, entry.leaf)
    written = found.operation in CHANGES and found.ok is not False
    if not written or found.code == "auth.login" or found.code.startswith("token."):
        return set()
    return {found.path or ""}


def _time(leaf: bytes) -> bytes:
    """Return when an entry was written, without its Z: such texts are in order of their times."""
    start = leaf.find(_TIME) + len(_TIME)
    return leaf[start : leaf.find(b'"', start)].removesuffix(b"Z") if start >= len(_TIME) else b""


def _texts(said: object) -> tuple[str, ...]:
    return tuple(e for e in said if isinstance(e, str)) if isinstance(said, list) else ()


class Then:
    """Works past moments out, and keeps a few. One for each server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._kept: dict[datetime, Everybody] = {}
        self._building = asyncio.Lock()
        server.on_seal.append(self._kept.clear)

    async def read(self, call: SystemCall, at: datetime) -> Everybody:
        """Return everybody as of a moment. InputError for one ahead, or before the log begins."""
        if at > call.now:
            raise InputError("at", "lies ahead")
        async with self._building:
            if at not in self._kept:
                tx = Transaction(self._server.database, self._server.barrier)
                found = await self._work_out(replace(call, transaction=tx), at)
                while len(self._kept) >= KEPT:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[at] = found
            return self._kept[at]

    async def _work_out(self, call: SystemCall, at: datetime) -> Everybody:
        past = await read_past(self._server.log, at)
        known = await _known(self._server, call, past, at)
        holders = await Holders(self._server, call, known).open()
        guardrails = await _guardrails(call.transaction, past)
        found = Everybody(guardrails=guardrails, now=at, known=known)
        number = 0
        async for holder in holders.without_tokens():
            found.lasting.add(holder)
            number += 1
            if number % TURN == 0:
                await asyncio.sleep(0)
        there: set[str] = set()
        for token in (await call.transaction.examine(TOKENS))[0]:
            there.add(token.accessor)
            held = await holders.of_token(token) if token.issued_at <= at else None
            if held is not None:
                found.tokens.add(held)
        gone = len(past.tokens - there)
        if gone:
            past.notes.append(
                f"{gone} tokens that were given before have ended since without an entry of their "
                "own before then; those that lived are not shown, their logins and entities are"
            )
        found.uncertain = tuple(past.notes)
        return found


def _old(row: Any, past: Past) -> bool:
    """Say whether a row is as it was at the moment."""
    return row.entry is not None and 0 <= row.entry < past.boundary


async def _known(server: Server, call: SystemCall, past: Past, at: datetime) -> Known:
    now = await known_now(server, call)
    tx = call.transaction
    found = Known(now=at, registrations=now.registrations, grants=_grants(now.grants, past, at))
    _entities(now, found, past, at)
    for id_, row in now.people.items():
        if (person := _registered(row, past, at, found)) is not None:
            found.people[id_] = person
    for id_, job in now.workloads.items():
        if (workload := _registered(job, past, at, found)) is not None:
            found.workloads[id_] = workload
    for entity, aliases in now.aliases.items():
        found.aliases[entity] = [alias for alias in aliases if _old(alias, past)]
        if len(found.aliases[entity]) < len(aliases) and entity in found.entities:
            found.uncertain.setdefault(entity, "an alias was written since")
    await _groups(tx, found, past, at)
    found.policies, found.written = await _policies(tx, now.written, past)
    found.mounts = _mounts(now.mounts, past)
    return found


def _grants(rows: Iterable[Grant], past: Past, at: datetime) -> list[Grant]:
    """Return grants as they were: one that somebody ended since had not ended."""
    found: list[Grant] = []
    for row in rows:
        if _old(row, past):
            found.append(row)
            continue
        later = row.ended_at is not None and row.ended_at > at
        then = replace(row, ended_at=None, ended_by="", why="") if later else row
        if then.active(at):
            past.notes.append(
                f"grant {row.id} was written since: it held then, and may have had another end"
            )
        found.append(then)
    return found


def _entities(now: Known, found: Known, past: Past, at: datetime) -> None:
    for id_, row in now.entities.items():
        if _old(row, past):
            found.entities[id_] = row
        elif row.created_at <= at or id_ in past.seen:
            found.entities[id_] = _entity(id_, past, row.created_at)
            found.uncertain[id_] = past.unsure.get(id_, NO_METADATA)
    for id_ in past.seen - now.entities.keys():
        if _is_id(id_):
            found.entities[id_] = _entity(id_, past, at)
            found.uncertain[id_] = past.unsure.get(id_, f"gone since; {NO_METADATA}")


def _is_id(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4


def _entity(id_: str, past: Past, created: datetime) -> Entity:
    return Entity(
        id=id_,
        name="",
        metadata={},
        policies=past.policies.get(id_, ()),
        disabled=past.disabled.get(id_, False),
        created_at=created,
        updated_at=created,
    )


def _registered(row: Any, past: Past, at: datetime, found: Known) -> Any:
    """Return a registration as it was: whoever left since had not left."""
    row_: Person | Workload = row
    if row_.created_at > at:
        return None
    if _old(row_, past):
        return row_
    found.uncertain.setdefault(row_.entity, "its registration was written since")
    if row_.left_at is not None and row_.left_at > at:
        end = row_.ends_at if row_.ends_at is None or row_.ends_at > row_.left_at else None
        return replace(row_, state="active", left_at=None, ends_at=end)
    return row_


async def _groups(tx: Transaction, found: Known, past: Past, at: datetime) -> None:
    rows: list[Group] = (await tx.examine(GROUPS))[0]
    members: list[GroupMember] = (await tx.examine(GROUP_MEMBERS))[0]
    held: dict[str, set[str]] = {}
    certain = {row.id for row in rows if _old(row, past)}
    for member in members:
        if _old(member, past):
            held.setdefault(member.group_id, set()).add(member.entity)
    groups: list[Group] = [row for row in rows if row.id in certain]
    later = {row.id: row for row in rows if row.id not in certain}
    then = {*past.group_policies, *past.members} - past.gone
    for id_ in sorted(then - certain):
        row = later.get(id_)
        if row is not None and row.created_at > at:
            continue
        nested = ", and which groups were in it" if id_ in past.nested else ""
        past.notes.append(f"group {id_} was written since: its name and metadata{nested} are lost")
        groups.append(
            Group(
                id=id_,
                name=row.name if row is not None else id_,
                external=False,
                metadata={},
                policies=past.group_policies.get(id_, ()),
                members=(),
                version=0,
                created_at=at,
                updated_at=at,
            )
        )
    for id_, entities in past.members.items():
        held.setdefault(id_, set()).update(entities)
    there = {group.id for group in groups}
    for id_ in sorted(there & past.unsure.keys()):
        past.notes.append(f"group {id_}: {past.unsure[id_]}")
    for id_, entities in held.items():
        for entity in entities if id_ in there else ():
            found.groups.setdefault(entity, []).append(id_)
    found.graph = Graph(
        replace(g, members=tuple(m for m in g.members if m in there)) for g in groups
    )


async def _policies(
    tx: Transaction, written: list[StoredPolicy], past: Past
) -> tuple[dict[str, Policy | None], list[StoredPolicy]]:
    """Return the policies in force then, by name, and as rows."""
    in_force = {row.name: row for row in written if _old(row, past)}
    versions, broken = await tx.examine(POLICY_VERSIONS)
    past.notes += [f"policy {each.key[0]}: {each.problem}" for each in broken]
    newest: dict[str, PolicyVersion] = {}
    for version in versions:
        known = newest.get(version.name)
        if _old(version, past) and (known is None or known.version < version.version):
            newest[version.name] = version
    for name, version in newest.items():
        if name in in_force or version.text is None:
            continue
        if version.entry not in past.ends:
            past.notes.append(f"policy {name}: no entry says when its version of then ends")
        if "{{" in version.text:
            past.notes.append(
                f"policy {name} was written since: whether values of its templates could hold "
                "slashes or wildcards is in no entry; it is taken that they could not"
            )
        in_force[name] = StoredPolicy(
            name=name,
            version=version.version,
            text=version.text,
            options={},
            modified_at=version.changed_at,
            expires_at=past.ends.get(version.entry or -1),
        )
    return {name: parsed(row) for name, row in in_force.items()}, list(in_force.values())


def _mounts(now: Mapping[str, Live], past: Past) -> dict[str, Live]:
    """Return the mounts that are as they were; what an auth mount gave, only if nobody wrote it."""
    found: dict[str, Live] = {}
    for uuid, live in now.items():
        row = live.row
        written = any(path.startswith(row.path) for path in past.changed)
        if not written and (live.system or _old(row, past)):
            found[uuid] = live
        elif row.path.startswith("auth/"):
            past.notes.append(f"{row.path} was written since: what its logins gave is not known")
    return found


async def _guardrails(tx: Transaction, past: Past) -> Guardrails:
    """Return the environments as they were."""
    rows, broken = await tx.examine(ENVIRONMENTS)
    past.notes += [f"environment {each.name}: {each.problem}" for each in broken]
    found = {row.name: row for row in rows if _old(row, past)}
    for name, said in past.environments.items():
        if name not in found:
            found[name] = _environment(name, said)
    return Guardrails(found.values())


def _environment(name: str, said: Mapping[str, Any]) -> Environment:
    """Return an environment as the entry of its last write says it."""
    known = {each.name for each in fields(Environment)}
    given = {key: value for key, value in said.items() if key in known - {"name", "entry"}}
    given["paths"] = _texts(given.get("paths"))
    if given.get("people") == "standing":
        given["people"] = None
    return Environment(**{"description": "", "name": name, **given})
