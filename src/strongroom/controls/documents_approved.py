"""T90: policies are approved, reviewed and acknowledged.

Population  Every document that is not withdrawn.
Holds when  A version of it is in force, approved by somebody who did not propose it; it was
            reviewed within the last 12 months, or within the shorter time that it has; everybody
            who is to acknowledge it did, or still has time; and one that is written from live
            settings still says what they are.
Not judged  A row that is not as it was written.
Trust       That somebody read what they acknowledged nobody can tell.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from strongroom.sdk.control import ControlTest, Evidence, Item, Kind
from strongroom.sdk.facts.compliance import ACKNOWLEDGED_WITHIN, DocumentFact
from strongroom.sdk.facts.period import Period

LIMIT = timedelta(days=366)


async def evaluate(period: Period, evidence: Evidence) -> AsyncIterator[Item]:
    """Give an item for each document."""
    for document in await evidence.compliance.documents():
        subject = f"document {document.name}"
        proof = () if document.entry is None else (document.entry,)
        if document.problem:
            yield Item(subject, None, f"not as it was written: {document.problem}")
            continue
        lack = "; ".join(_lacks(document, period))
        words = f"version {document.version}, acknowledged by {document.acknowledged}"
        yield Item(subject, not lack, lack or words, proof)


def _lacks(document: DocumentFact, period: Period) -> list[str]:
    if not document.version:
        return ["no version is in force"]
    found: list[str] = []
    others = set(document.approved_by) - set(document.proposed_by)
    if not others:
        found.append("nobody approved it but who proposed it")
    reviewed = document.reviewed_at
    if reviewed is None or period.end - reviewed > min(LIMIT, document.review_every):
        when = "never" if reviewed is None else f"{reviewed:%Y-%m-%d}"
        found.append(f"reviewed {when}, which is too long ago" if reviewed else "never reviewed")
    if document.missing:
        found.append(f"not acknowledged by {', '.join(document.missing)}")
    if document.drift:
        found.append("says no longer what the settings are")
    return found


CONTROL = ControlTest(
    id="T90",
    title="Policies are approved, reviewed and acknowledged",
    kind=Kind.POP,
    population="Every policy and procedure that is not withdrawn",
    procedure=(
        "Read the version in force of each document, who proposed and who approved it, its last "
        "review, and who of the people that are to acknowledge it has. Wrote what is rendered "
        "from live settings anew, and compared."
    ),
    holds_when=(
        "Each has a version that another person approved, was reviewed within 12 months, is "
        "acknowledged by whoever is to, and says what the settings are."
    ),
    limits=(
        "Whether a policy is a good one, and whether anybody read it, nobody can tell from here. "
        "What is in no document is not missed. It shows the documents at the run."
    ),
    parameters={
        "review_days": LIMIT.days,
        "acknowledged_within_days": ACKNOWLEDGED_WITHIN.days,
    },
    evaluate=evaluate,
)
