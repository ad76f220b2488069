"""Vendors, training, documents and exceptions, as facts for control tests.

Trust   A row that is not as it was written is given by its key and its problem, and by nothing
        that it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from strongroom.core.governance.organisation import active_people
from strongroom.core.governance.rendering import rendered
from strongroom.core.records import MOUNTS
from strongroom.core.server import Server
from strongroom.evidence.access_facts import Facts
from strongroom.identity.governance.documents import (
    ACKNOWLEDGEMENTS,
    DOCUMENTS,
    VERSIONS,
    Document,
    DocumentVersion,
    asks,
)
from strongroom.identity.governance.exceptions import EXCEPTIONS
from strongroom.identity.governance.training import COMPLETIONS, COURSES
from strongroom.identity.governance.vendors import (
    ACTIVE,
    VENDORS,
    Vendor,
    folded,
    is_of,
    known_by,
)
from strongroom.identity.people import EMPLOYEE, active_person
from strongroom.identity.policy.questions import reaches
from strongroom.identity.records import PEOPLE, WORKLOADS, Person, Workload
from strongroom.identity.standing import ACTIVE as THERE
from strongroom.identity.standing import end_of
from strongroom.sdk.facts.compliance import (
    ACKNOWLEDGED_WITHIN,
    CompletionFact,
    CourseFact,
    DocumentFact,
    ExceptionFact,
    VendorFact,
)
from strongroom.storage.barrier import TamperedError
from strongroom.storage.transaction import Transaction

VENDOR = "vendor"  # the kind of worker
OWN_STORES = ("cubbyhole",)  # what is there is its writer's alone


@dataclass(frozen=True, slots=True)
class ComplianceFacts:
    """See `sdk.facts.compliance.Compliance`."""

    server: Server

    def _tx(self) -> Transaction:
        return Transaction(self.server.database, self.server.barrier)

    # -- vendors

    async def vendors(self) -> Sequence[VendorFact]:
        tx, now = self._tx(), self.server.clock.now()
        rows, broken = await tx.examine(VENDORS, order="name")
        members = await _third_parties(tx, now)
        found = [await self._vendor(tx, row, members, now) for row in rows]
        known = set[str]().union(*map(known_by, rows)) if rows else set[str]()
        contracts = {folded(each) for row in rows for each in row.contracts}
        strange: dict[str, list[Person | Workload]] = {}
        for each in members:
            if isinstance(each, Workload):
                name, is_known = each.vendor, folded(each.vendor) in known
            else:
                name = f"of contract {each.contract}"
                is_known = each.worker != VENDOR or folded(each.contract) in contracts
            if not is_known:
                strange.setdefault(name, []).append(each)
        return [
            *found,
            *(_stranger(name, of) for name, of in sorted(strange.items())),
            *(VendorFact(name=b.name, problem=b.problem) for b in broken),
        ]

    async def _vendor(
        self, tx: Transaction, row: Vendor, members: Sequence[Person | Workload], now: datetime
    ) -> VendorFact:
        problem = "" if row.owner else "has no owner"
        try:
            if row.owner and await active_person(tx, row.owner, now) is None:
                problem = "its owner is no active person"
        except TamperedError as error:
            problem = f"its owner's row is not as it was written: {error}"
        mine = [each for each in members if is_of(each, row)]
        return VendorFact(
            name=row.name,
            active=row.state == ACTIVE,
            owner_problem=problem,
            tier=row.tier,
            report=row.report,
            report_at=row.report_at,
            report_until=row.report_until,
            assessed_at=row.assessed_at,
            assess_again_at=row.assess_again_at,
            contract_ends_at=row.contract_ends_at,
            left_at=row.left_at,
            people=tuple(each.entity for each in mine if isinstance(each, Person)),
            workloads=tuple(each.entity for each in mine if isinstance(each, Workload)),
            entry=row.entry,
        )

    # -- training

    async def courses(self) -> Sequence[CourseFact]:
        rows, broken = await self._tx().examine(COURSES, order="name")
        found = [
            CourseFact(
                name=row.name,
                version=row.version,
                validity=row.validity,
                required=row.required,
                self_attested=row.self_attested,
                entry=row.entry,
            )
            for row in rows
        ]
        return [*found, *(CourseFact(name=b.name, problem=b.problem) for b in broken)]

    async def completions(self) -> Sequence[CompletionFact]:
        rows, broken = await self._tx().examine(COMPLETIONS, order="id")
        found = [
            CompletionFact(
                id=row.id,
                course=row.course,
                version=row.version,
                entity=row.entity,
                completed_at=row.completed_at,
                recorded_by=row.recorded_by,
                void=row.void_at is not None,
                entry=row.entry,
            )
            for row in rows
        ]
        return [*found, *(CompletionFact(id=b.name, problem=b.problem) for b in broken)]

    async def readers(self) -> Mapping[str, str]:
        """Ask of what each active person could do whether any of it is in a mount of secrets."""
        tx, now = self._tx(), self.server.clock.now()
        patterns = [
            f"{row.path}*"
            for row in (await tx.examine(MOUNTS))[0]
            if not row.path.startswith("auth/") and row.kind not in OWN_STORES
        ]
        people = {
            row.entity
            for row in (await tx.examine(PEOPLE, order="entity"))[0]
            if _is_there(row, now)
        }
        found: dict[str, str] = {}
        for session in await Facts(self.server).sessions():
            who = session.entity.id if session.entity is not None else ""
            if who in people and who not in found:
                where = next((p for p in patterns if reaches(session.acl, p)), "")
                found |= {who: where} if where else {}
        return found

    # -- documents

    async def documents(self) -> Sequence[DocumentFact]:
        tx, now = self._tx(), self.server.clock.now()
        rows, broken = await tx.examine(DOCUMENTS, order="name")
        graph = await self.server.views.graph(tx)
        people = await active_people(tx, graph, now)
        since = {row.entity: row.created_at for row in (await tx.examine(PEOPLE))[0]}
        found = [
            await self._document(
                tx, row, {who: since[who] for who in people if asks(row, people[who])}
            )
            for row in rows
            if row.withdrawn_at is None
        ]
        return [*found, *(DocumentFact(name=b.name, problem=b.problem) for b in broken)]

    async def _document(
        self, tx: Transaction, row: Document, readers: Mapping[str, datetime]
    ) -> DocumentFact:
        fact = DocumentFact(name=row.name, review_every=row.review_every, entry=row.entry)
        if not row.in_force:
            return fact
        version = await tx.find(VERSIONS, row.name, row.in_force)
        if not isinstance(version, DocumentVersion) or version.approved_at is None:
            return replace(fact, problem="its version in force is not there as it was approved")
        said, _ = await tx.examine(ACKNOWLEDGEMENTS, document=row.name, version=row.in_force)
        done = {each.entity for each in said}
        drift = False
        if row.rendered:
            drift = await rendered(self.server, tx, row.rendered) != version.text
        late = self.server.clock.now() - ACKNOWLEDGED_WITHIN
        missing = (
            who
            for who, since in readers.items()
            if who not in done and max(since, version.approved_at) <= late
        )
        return replace(
            fact,
            version=row.in_force,
            proposed_by=version.proposed_by,
            approved_by=version.approved_by,
            approved_at=version.approved_at,
            reviewed_at=row.reviewed_at,
            missing=tuple(sorted(missing)),
            acknowledged=len(done),
            drift=drift,
            entry=version.entry,
        )

    # -- exceptions

    async def exceptions(self) -> Sequence[ExceptionFact]:
        rows, broken = await self._tx().examine(EXCEPTIONS, order="id")
        found = [
            ExceptionFact(
                id=row.id,
                control=row.control,
                subject=row.subject,
                reason=row.reason,
                begins=row.begins_at,
                ends=row.over_at,
                entry=row.entry,
            )
            for row in rows
        ]
        return [*found, *(ExceptionFact(id=b.name, problem=b.problem) for b in broken)]


async def _third_parties(tx: Transaction, now: datetime) -> list[Person | Workload]:
    """Return the people and workloads of vendors that are there; of contractors too."""
    people = [row for row in (await tx.examine(PEOPLE))[0] if row.worker != EMPLOYEE]
    workloads = [row for row in (await tx.examine(WORKLOADS))[0] if row.vendor]
    rows: list[Person | Workload] = [*people, *workloads]
    return [row for row in rows if _is_there(row, now)]


def _is_there(row: Person | Workload, now: datetime) -> bool:
    end = end_of(row)
    return row.state == THERE and (end is None or now < end)


def _stranger(name: str, of: Sequence[Person | Workload]) -> VendorFact:
    return VendorFact(
        name=name,
        known=False,
        people=tuple(each.entity for each in of if isinstance(each, Person)),
        workloads=tuple(each.entity for each in of if isinstance(each, Workload)),
        entry=next((each.entry for each in of), None),
    )
