"""Opens what is stored encrypted, verifies what is guarded, asks the database about itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from strongroom.core.records import LEASES, MOUNTS
from strongroom.core.rotation_due import ROTATIONS_DUE
from strongroom.core.seal import unwrap
from strongroom.core.server import Server
from strongroom.crypto.errors import CiphertextError
from strongroom.evidence.kept_runs import KeptRuns
from strongroom.evidence.records import CONTROL_RUNS
from strongroom.identity.entrances import ENTRANCES
from strongroom.identity.environments import read_environments
from strongroom.identity.factors.holds import FACTOR_HOLDS
from strongroom.identity.factors.records import (
    CEREMONIES,
    FACTOR_RULES,
    FACTORS,
    MFA_ENFORCEMENTS,
    MFA_METHODS,
    MFA_PENDING,
)
from strongroom.identity.governance.admission import ADMISSIONS
from strongroom.identity.governance.break_glass import CASES, RULES
from strongroom.identity.governance.campaigns import CAMPAIGNS, LINE_DECISIONS, LINES, SCHEDULES
from strongroom.identity.governance.changes import (
    CHANGE_RULES,
    CHANGE_SETTINGS,
    CHANGE_WRITES,
)
from strongroom.identity.governance.documents import ACKNOWLEDGEMENTS, DOCUMENTS, VERSIONS
from strongroom.identity.governance.exceptions import EXCEPTIONS
from strongroom.identity.governance.notices import DELIVERIES, INBOX, NOTICES, NOTIFIERS
from strongroom.identity.governance.records import (
    APPROVAL_RULES,
    APPROVALS,
    GRANTS,
    PROPOSALS,
)
from strongroom.identity.governance.training import COMPLETIONS, COURSES
from strongroom.identity.governance.vendors import VENDORS
from strongroom.identity.leaving import LEAVERS
from strongroom.identity.records import (
    ALIASES,
    ENTITIES,
    ENVIRONMENTS,
    GROUP_ALIASES,
    GROUP_MEMBERS,
    GROUPS,
    LOCKOUTS,
    MERGED,
    PEOPLE,
    POLICIES,
    POLICY_VERSIONS,
    REGISTRATIONS,
    TOKENS,
    WORKLOADS,
)
from strongroom.identity.scim_users import SCIM_USERS
from strongroom.identity.sign_ins import SIGN_INS
from strongroom.identity.step_up import STEP_UP_RULES
from strongroom.sdk.facts.storage import Blob, GuardedRow, Refusal, RunRow
from strongroom.storage.barrier import AES_256_GCM, ALGORITHMS, TamperedError, header_of, place
from strongroom.storage.guard import Broken
from strongroom.storage.records import CELLS, SETTINGS
from strongroom.storage.refusals import try_to_change
from strongroom.storage.register import Register
from strongroom.storage.transaction import Transaction

CHUNK = 500
SEALED: Final[tuple[Register[Any], ...]] = (
    *(CELLS, SETTINGS, LEASES, LOCKOUTS, CONTROL_RUNS),
    *(FACTORS, CEREMONIES, MFA_PENDING, CHANGE_WRITES, NOTIFIERS),
)
GUARDED: Final[tuple[Register[Any], ...]] = (
    *(TOKENS, ENTITIES, ALIASES, POLICIES, POLICY_VERSIONS, ENVIRONMENTS, MOUNTS),
    *(MERGED, GROUPS, GROUP_MEMBERS, GROUP_ALIASES, PEOPLE, WORKLOADS, REGISTRATIONS),
    *(FACTORS, CEREMONIES, FACTOR_RULES, MFA_METHODS, MFA_ENFORCEMENTS, MFA_PENDING),
    FACTOR_HOLDS,
    *(ENTRANCES, SIGN_INS, STEP_UP_RULES, LEAVERS, ROTATIONS_DUE, SCIM_USERS),
    *(VENDORS, COURSES, COMPLETIONS, DOCUMENTS, VERSIONS, ACKNOWLEDGEMENTS, EXCEPTIONS),
    ADMISSIONS,
    *(APPROVAL_RULES, PROPOSALS, APPROVALS, GRANTS),
    *(CHANGE_RULES, CHANGE_SETTINGS, CHANGE_WRITES),
    *(CAMPAIGNS, LINES, LINE_DECISIONS, SCHEDULES),
    *(RULES, CASES, NOTICES, INBOX, NOTIFIERS, DELIVERIES),
)
CLEAR_BYTES: Final[Mapping[str, str]] = {
    "entry.leaf": "the log, which is there to be read",
    "tile.hashes": "hashes of the log",
    "cell.fingerprint": "keyed digests of values",
    "token.lookup": "keyed digests of tokens",
    "token.parent": "keyed digests of tokens",
    "lease.token": "keyed digests of tokens",
    "wrapped_key.wrapped": "keys under the root key, opened by the walk",
    "factor.credential": "ids of security keys, which their holders' browsers show to any page",
    "mfa_pending.lookup": "keyed digests of the ids of logins that wait",
    "sign_in.lookup": "keyed digests of tokens",
    "access_grant.mac": "MACs of rows",
    "acknowledgement.mac": "MACs of rows",
    "admission.mac": "MACs of rows",
    "alias.mac": "MACs of rows",
    "approval.mac": "MACs of rows",
    "approval_rule.mac": "MACs of rows",
    "break_glass_case.mac": "MACs of rows",
    "break_glass_rule.mac": "MACs of rows",
    "change_rule.mac": "MACs of rows",
    "change_setting.mac": "MACs of rows",
    "change_write.mac": "MACs of rows",
    "completion.mac": "MACs of rows",
    "control_exception.mac": "MACs of rows",
    "course.mac": "MACs of rows",
    "delivery.mac": "MACs of rows",
    "document.mac": "MACs of rows",
    "document_version.mac": "MACs of rows",
    "entity.mac": "MACs of rows",
    "entrance.mac": "MACs of rows",
    "entity_group.mac": "MACs of rows",
    "environment.mac": "MACs of rows",
    "factor.mac": "MACs of rows",
    "factor_ceremony.mac": "MACs of rows",
    "factor_hold.mac": "MACs of rows",
    "factor_rule.mac": "MACs of rows",
    "group_alias.mac": "MACs of rows",
    "group_member.mac": "MACs of rows",
    "leaver.mac": "MACs of rows",
    "merged_entity.mac": "MACs of rows",
    "mfa_enforcement.mac": "MACs of rows",
    "mfa_method.mac": "MACs of rows",
    "mfa_pending.mac": "MACs of rows",
    "mount.mac": "MACs of rows",
    "notice.mac": "MACs of rows",
    "notice_inbox.mac": "MACs of rows",
    "notifier.mac": "MACs of rows",
    "person.mac": "MACs of rows",
    "policy.mac": "MACs of rows",
    "policy_version.mac": "MACs of rows",
    "proposal.mac": "MACs of rows",
    "registration.mac": "MACs of rows",
    "review_campaign.mac": "MACs of rows",
    "review_decision.mac": "MACs of rows",
    "review_line.mac": "MACs of rows",
    "review_schedule.mac": "MACs of rows",
    "rotation_due.mac": "MACs of rows",
    "scim_user.mac": "MACs of rows",
    "sign_in.mac": "MACs of rows",
    "step_up_rule.mac": "MACs of rows",
    "token.mac": "MACs of rows",
    "vendor.mac": "MACs of rows",
    "workload.mac": "MACs of rows",
}
SQLITE_COLUMNS = (
    "SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p "
    "WHERE m.type = 'table' AND upper(p.type) = 'BLOB' ORDER BY m.name, p.name"
)
POSTGRES_COLUMNS = (
    "SELECT table_name::text, column_name::text FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND data_type = 'bytea' ORDER BY 1, 2"
)
WRAPPED = "SELECT name, term, wrapped FROM wrapped_key ORDER BY name, term"


@dataclass(frozen=True, slots=True)
class StorageWalk:
    """See `sdk.control.Storage`."""

    server: Server
    kept: KeptRuns

    async def blobs(self) -> AsyncIterator[Blob]:
        for register in SEALED:
            for column in register.columns:
                if column.sealed:
                    async for blob in self._column(register, column.name):
                        yield blob
        async for blob in self._keys():
            yield blob

    async def _column(self, register: Register[Any], column: str) -> AsyncIterator[Blob]:
        """Give each value of a column, in the order of the key, a chunk at a time."""
        key = ", ".join(register.key)
        select = f"SELECT {key}, {column} FROM {register.name}"  # noqa: S608 - names are ours
        order = f"ORDER BY {key} LIMIT {CHUNK}"
        after = f"WHERE ({key}) > ({', '.join('?' * len(register.key))})"
        at: tuple[Any, ...] = ()
        while True:
            rows = await self.server.database.rows(f"{select} {after if at else ''} {order}", at)
            for *keys, raw in rows:
                if raw is not None:
                    yield self._open(register.name, column, keys, bytes(raw))
            if len(rows) < CHUNK:
                return
            at = tuple(rows[-1][:-1])
            await asyncio.sleep(0)

    def _open(self, table: str, column: str, keys: Sequence[Any], raw: bytes) -> Blob:
        where, shown = f"{table}.{column}", "/".join(map(_shown, keys))
        try:
            header = header_of(raw)
        except TamperedError as error:
            return Blob(
                place=where, key=shown, algorithm="", term=0, term_held=False, problem=str(error)
            )
        held = header.term in self.server.barrier.terms()
        problem = ""
        try:
            self.server.barrier.decrypt(place(table, column, *keys), raw)
        except TamperedError as error:
            problem = str(error)
        return Blob(
            place=where,
            key=shown,
            algorithm=header.algorithm,
            term=header.term,
            term_held=held,
            problem=problem,
        )

    async def _keys(self) -> AsyncIterator[Blob]:
        root = self.server.seal.root()
        for name, term, wrapped in await self.server.database.rows(WRAPPED, ()):
            problem = ""
            try:
                unwrap(root, f"{name}/{term}", bytes(wrapped))
            except CiphertextError:
                problem = "does not open with the root key"
            yield Blob(
                place="wrapped_key.wrapped",
                key=f"{name}/{term}",
                algorithm=ALGORITHMS[AES_256_GCM],
                term=term,
                term_held=True,
                problem=problem,
            )

    async def guarded(self) -> AsyncIterator[GuardedRow]:
        for register in GUARDED:
            async for row in self._rows(register):
                yield row
        async for key, problem in self.kept.rows():
            yield GuardedRow(table=CONTROL_RUNS.name, key=key, problem=problem)
        stored = await read_environments(Transaction(self.server.database, self.server.barrier))
        if stored.problem:
            yield GuardedRow(table=SETTINGS.name, key="environments", problem=stored.problem)
        for lost in stored.lost:
            if not stored.problem and lost.environment.paths:  # the others were given as rows
                key = lost.environment.name
                yield GuardedRow(table=ENVIRONMENTS.name, key=key, problem=lost.problem)

    async def _rows(self, register: Register[Any]) -> AsyncIterator[GuardedRow]:
        """Verify each row of a register, in the order of the key, a chunk at a time."""
        key = ", ".join(register.key)
        order = f"ORDER BY {key} LIMIT {CHUNK}"
        after = f"WHERE ({key}) > ({', '.join('?' * len(register.key))})"
        at: tuple[Any, ...] = ()
        while True:
            sql = f"{register.select} {after if at else ''} {order}"
            rows = await self.server.database.rows(sql, at)
            for raw in rows:
                found = register.examine(raw, self.server.barrier)
                problem = found.problem if isinstance(found, Broken) else ""
                shown = "/".join(_shown(raw[each]) for each in register.key_at)
                yield GuardedRow(table=register.name, key=shown, problem=problem)
            if len(rows) < CHUNK:
                return
            at = tuple(rows[-1][each] for each in register.key_at)
            await asyncio.sleep(0)

    async def runs(self, size: int) -> AsyncIterator[RunRow]:
        async for each in self.kept.whole(size):
            index = None if each.logged is None else each.logged.index
            yield RunRow(id=each.id, index=index, problem=each.problem)

    async def unexplained(self) -> Sequence[str]:
        sqlite = self.server.database.kind == "sqlite"
        rows = await self.server.database.rows(SQLITE_COLUMNS if sqlite else POSTGRES_COLUMNS, ())
        sealed = {f"{r.name}.{c.name}" for r in SEALED for c in r.columns if c.sealed}
        found = [f"{table}.{column}" for table, column in rows]
        return [name for name in found if name not in sealed and name not in CLEAR_BYTES]

    async def append_only(self) -> Sequence[Refusal]:
        return [
            Refusal(
                table=tried.table, verb=tried.verb, refused=tried.refused, because=tried.because
            )
            for tried in await try_to_change(self.server.database)
        ]


def _shown(part: object) -> str:
    return part.hex() if isinstance(part, bytes) else str(part)
