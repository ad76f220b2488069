"""`sys/policies/acl`, and the older `sys/policy`: what tokens may do, as texts with versions.

Vault   OpenBao's fields: check-and-set, `cas_required`, an end (`ttl` or `expiration`), switches
        for identity templates. A text may come in base64. Names are lower case. `root` and
        `response-wrapping` cannot be changed, `default` cannot be deleted. `enrol-factors` is ours
        and fixed: what somebody may do who must enrol a second factor first.
Differs A deleted policy that comes back goes on counting its versions, since every version stays
        on record (`POLICY_VERSIONS`) with who wrote it. A text that does not parse is refused
        with its line. Lists are in byte order, `root` last.
Trust   Whoever may write here decides what everybody may do. The entry of a write has the
        version and the SHA-256 of the text, so that the text in force can be held against it.
        One that was changed in the database is listed, and not shown; a write or a delete, which
        its entry calls a repair, puts that right.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.request import SystemCall
from strongroom.identity.factors.demands import ENROL
from strongroom.identity.governance.grants import PREFIX as GRANT
from strongroom.identity.policy.document import parse_policy
from strongroom.identity.records import (
    POLICIES,
    POLICY_VERSIONS,
    PolicyVersion,
    StoredPolicy,
)
from strongroom.sdk.engine import Endpoint, Help, Nothing, Reply, Route, Sent, Touched
from strongroom.sdk.rules import check_policy_names
from strongroom.storage.barrier import TamperedError
from strongroom.storage.guard import Broken
from strongroom.storage.transaction import Transaction

ROOT: Final = "root"
UNCHANGEABLE: Final = frozenset({ROOT, "response-wrapping", ENROL})
HIDDEN: Final = frozenset({"response-wrapping"})
CREATE_ONLY: Final = -1
SWITCHES: Final = (
    "allow_slashes_in_identity_templates",
    "allow_wildcards_in_identity_templates",
)
# A version that nobody can have reached is none: it would leave no room for the next one.
NEWEST: Final = (
    "SELECT max(version) FROM policy_version WHERE name = ? AND version < 1000000000000000"
)


@dataclass(frozen=True, kw_only=True)
class PolicyName:
    """Which policy."""

    name: Annotated[str, Help("Name of the policy.", least=1, most=512)]

    @property
    def key(self) -> str:
        """The name in its one form."""
        return self.name.lower()


@dataclass(frozen=True, kw_only=True)
class Below:
    """Which policies to list."""

    name: Annotated[str, Help("Only names below this folder.")] = ""


@dataclass(frozen=True, kw_only=True)
class PolicyGiven(PolicyName):
    """A policy as it is to be."""

    policy: Annotated[str, Help("The text, in HCL or JSON; or that in base64.")] = ""
    cas: Annotated[
        int | None, Help("The version that this replaces; -1: only if there is none.", least=-1)
    ] = None
    cas_required: Annotated[bool, Help("Every later write must have `cas`.")] = False
    expiration: Annotated[datetime | None, Help("When it ends.")] = None
    ttl: Annotated[timedelta | None, Help("When it ends, from now.")] = None
    allow_slashes_in_identity_templates: Annotated[
        bool, Help("Values put into its paths may hold slashes.")
    ] = False
    allow_wildcards_in_identity_templates: Annotated[
        bool, Help("Values put into its paths may hold `*` and `+`.")
    ] = False
    sent: Annotated[frozenset[str], Sent()] = frozenset()


@dataclass(frozen=True, kw_only=True)
class OlderPolicyGiven(PolicyGiven):
    """A policy as `sys/policy` takes it."""

    rules: Annotated[str, Help("Older name of `policy`.")] = ""


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """What a write or a patch adds up to."""

    text: str
    options: dict[str, object] = field(default_factory=dict)
    expires_at: datetime | None = None


class PolicyRoutes:
    """See the module."""

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `sys/`."""
        names, one = Endpoint(Below, self.names, "policy.list"), self._one
        older = Endpoint(Nothing, self.older_names, "policy.list")
        detailed = Endpoint(Below, self.detailed, "policy.list")
        drop = Endpoint(PolicyName, self.delete, "policy.delete")
        return (
            Route(path="policies/acl", summary="Names of all policies.", list=names),
            Route(
                path="policies/acl/{name...}",
                summary="One policy.",
                read=Endpoint(PolicyName, one, "policy.read"),
                list=names,
                write=Endpoint(PolicyGiven, self.write, "policy.write"),
                patch=Endpoint(PolicyGiven, self.patch, "policy.write"),
                delete=drop,
            ),
            Route(path="policies/detailed/acl", summary="All policies, whole.", list=detailed),
            Route(path="policies/detailed/acl/{name...}", summary="Policies.", list=detailed),
            Route(path="policy", summary="Names of all policies.", read=older, list=older),
            Route(
                path="policy/{name...}",
                summary="One policy.",
                read=Endpoint(PolicyName, self.older_one, "policy.read"),
                list=names,
                write=Endpoint(OlderPolicyGiven, self.write_older, "policy.write"),
                delete=drop,
            ),
        )

    # -- reading

    async def names(self, call: SystemCall, given: Below) -> Reply:
        return Reply({"keys": await _names(call, given)})

    async def older_names(self, call: SystemCall, _: Nothing) -> Reply:
        names = await _names(call, Below())
        data = {"keys": names, "policies": names}
        return Reply(data, fields=data)

    async def detailed(self, call: SystemCall, given: Below) -> Reply:
        """List policies with all that there is to each."""
        names = await _names(call, given)
        shown = {name: await _detail(call, name) for name in names}
        return Reply({"keys": names, "key_info": shown})

    async def _one(self, call: SystemCall, given: PolicyName) -> Reply:
        row = await _find(call, given.key)
        return Reply(_shown(row), touched=Touched(row.version))

    async def older_one(self, call: SystemCall, given: PolicyName) -> Reply:
        row = await _find(call, given.key)
        data = _shown(row)
        data["rules"] = data.pop("policy")
        return Reply(data, fields=data, touched=Touched(row.version))

    # -- writing

    async def write(self, call: SystemCall, given: PolicyGiven) -> Reply:
        """Store a policy as given: what was not sent goes back to its default."""
        if not given.policy:
            raise InputError("", "'policy' parameter not supplied or empty")
        wanted = _Wanted(
            text=decoded(given.policy),
            options={name: getattr(given, name) for name in (*SWITCHES, "cas_required")},
            expires_at=_end(given, call.now),
        )
        return await self._store(call, given, wanted)

    async def write_older(self, call: SystemCall, given: OlderPolicyGiven) -> Reply:
        """`write`, by the older names."""
        if given.policy or not given.rules:
            return await self.write(call, given)
        call.warnings.append("'rules' is deprecated, please use 'policy' instead")
        return await self.write(call, replace(given, policy=given.rules))

    async def patch(self, call: SystemCall, given: PolicyGiven) -> Reply:
        """Change of a policy what was sent, and keep the rest."""
        row = await _in_force(call, given.key)
        if row is None:
            raise InputError("", "policy not found")
        if isinstance(row, Broken):
            raise InputError(
                "", f"{row.problem}; write it whole", logged=f"tampered: {row.problem}"
            )
        sent = {name for name in (*SWITCHES, "cas_required") if name in given.sent}
        ends = given.sent & {"ttl", "expiration"}
        wanted = _Wanted(
            text=decoded(given.policy) if given.policy else row.text,
            options={**row.options, **{name: getattr(given, name) for name in sent}},
            expires_at=_end(given, call.now) if ends else row.expires_at,
        )
        reply = await self._store(call, given, wanted)
        return reply._replace(fields={})

    async def _store(self, call: SystemCall, given: PolicyGiven, wanted: _Wanted) -> Reply:
        tx, name = call.transaction, given.key
        if name in UNCHANGEABLE:
            raise InputError("", f'cannot update "{name}" policy')
        check_policy_names((name,), "name")
        if name.startswith(GRANT):
            raise InputError("name", f"begins as a grant is named in the log: {GRANT}")
        if name != name.strip():
            raise InputError("name", "begins or ends with a space, so that no token could have it")
        row = _repaired(call, await _in_force(call, name))
        _check_cas(given.cas, row, required=bool(wanted.options.get("cas_required")))
        _check_text(name, wanted)
        version = await _newest(tx, name) + 1
        tx.put(
            POLICIES,
            StoredPolicy(
                name=name,
                version=version,
                text=wanted.text,
                options=wanted.options,
                modified_at=call.now,
                expires_at=wanted.expires_at,
            ),
        )
        _record(call, name, version, wanted.text)
        call.details["sha256"] = sha256(wanted.text.encode()).hexdigest()
        if wanted.expires_at is not None:
            call.details["expires"] = rfc3339(wanted.expires_at)
        return Reply(touched=Touched(version))

    async def delete(self, call: SystemCall, given: PolicyName) -> Reply | None:
        """Delete a policy; its versions stay on record."""
        tx, name = call.transaction, given.key
        if name in UNCHANGEABLE:
            raise InputError("", f'cannot delete "{name}" policy')
        if name == "default":
            raise InputError("", "cannot delete default policy")
        found = await tx.find(POLICIES, name)
        if found is None:
            return None
        _repaired(call, found)
        version = await _newest(tx, name) + 1
        tx.delete(POLICIES, name)
        _record(call, name, version, None)
        return Reply(touched=Touched(version))


def _record(call: SystemCall, name: str, version: int, text: str | None) -> None:
    """Keep a version for good, and say that the policy changed."""
    row = PolicyVersion(
        name=name, version=version, text=text, changed_at=call.now, changed_by=call.actor.id
    )
    call.transaction.put(POLICY_VERSIONS, row)
    call.transaction.changed(f"policy:{name}")
    call.details["policy"] = name


async def _newest(tx: Transaction, name: str) -> int:
    """Return the last version that a policy of this name ever had; 0 if there was none."""
    [[found]] = await tx.scan(NEWEST, (name,))
    return found or 0


async def _in_force(call: SystemCall, name: str) -> StoredPolicy | Broken | None:
    row = await call.transaction.find(POLICIES, name)
    if isinstance(row, StoredPolicy) and row.expires_at is not None and row.expires_at <= call.now:
        return None
    return row


def _repaired(call: SystemCall, found: StoredPolicy | Broken | None) -> StoredPolicy | None:
    """Return what there was to go by; what was changed in the database is none, on record."""
    if not isinstance(found, Broken):
        return found
    call.details["repaired"] = True
    return None


async def _find(call: SystemCall, name: str) -> StoredPolicy:
    if name == ROOT:
        return StoredPolicy(name=ROOT, version=0, text="", options={}, modified_at=call.now)
    row = await _in_force(call, name)
    if row is None:
        raise NotFoundError
    if isinstance(row, Broken):
        raise TamperedError(row.problem)
    return row


async def _detail(call: SystemCall, name: str) -> dict[str, object]:
    try:
        return _shown(await _find(call, name))
    except TamperedError as error:
        return {"name": name, "problem": str(error)}


async def _names(call: SystemCall, given: Below) -> list[str]:
    prefix = f"{given.name.lower().strip('/')}/" if given.name else ""
    rows, broken = await call.transaction.examine(POLICIES)
    lasting = [r.name for r in rows if r.expires_at is None or r.expires_at > call.now]
    found = [
        name
        for name in sorted({*lasting, *(each.name for each in broken)} - {ROOT})
        if name.startswith(prefix) and name not in HIDDEN
    ]
    return found if prefix else [*found, ROOT]


def _shown(row: StoredPolicy) -> dict[str, object]:
    shown: dict[str, object] = {
        "name": row.name,
        "policy": row.text,
        "version": row.version,
        "cas_required": bool(row.options.get("cas_required")),
        **{name: bool(row.options.get(name)) for name in SWITCHES},
    }
    if row.name != ROOT:
        shown["modified"] = rfc3339(row.modified_at)
    if row.expires_at is not None:
        shown["expiration"] = rfc3339(row.expires_at)
    return shown


def decoded(text: str) -> str:
    """Return a text that came in base64 as it was before; another as it is."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        return text
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InputError("", "failed to parse policy: the base64 holds no UTF-8") from None


def _end(given: PolicyGiven, now: datetime) -> datetime | None:
    if given.ttl and given.expiration is not None:
        raise InputError("", "cannot supply both 'expiration' and 'ttl' for policies")
    if given.ttl:
        try:
            return now + given.ttl
        except OverflowError:
            raise InputError("ttl", "ends after the year 9999") from None
    if given.expiration is not None and given.expiration <= now:
        raise InputError("", "refusing to update policy as expiration time has already elapsed")
    return given.expiration


def _check_cas(cas: int | None, row: StoredPolicy | None, *, required: bool) -> None:
    if cas is None:
        if required or (row is not None and row.options.get("cas_required")):
            raise InputError("", "check-and-set parameter required for this call")
        return
    if cas == CREATE_ONLY:
        if row is not None:
            raise InputError("", "check-and-set parameter set to -1 on existing entry")
        return
    current = row.version if row is not None else 0
    if cas != current:
        raise InputError(
            "", f"check-and-set parameter {cas} did not match the current version {current}"
        )


def _check_text(name: str, wanted: _Wanted) -> None:
    switches: Mapping[str, bool] = {each: bool(wanted.options.get(each)) for each in SWITCHES}
    try:
        parse_policy(name, wanted.text, **switches)
    except InputError as error:
        raise InputError("", f"failed to parse policy: {error.problem}") from None
