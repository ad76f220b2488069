"""The record of an access review: a page to read, and a workbook with every line.

Trust   Rows are those of the database; the root over the lines, and who decided, stand in entries
        of the log, whose numbers the record names. It holds names and reasons, and no value.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from strongroom.base.clock import rfc3339
from strongroom.core.governance.organisation import names_of
from strongroom.core.governance.reviewing import latest
from strongroom.core.server import Server
from strongroom.evidence.pages import breakable, render
from strongroom.evidence.sheets import write_sheet
from strongroom.identity.governance.campaigns import (
    CAMPAIGNS,
    LINES,
    SIGNED,
    Campaign,
    Line,
    LineDecision,
    state_of_line,
)
from strongroom.sdk.facts.period import Period
from strongroom.sdk.reviews import KEEP, REVOKE
from strongroom.storage.transaction import Transaction

MOST_SHOWN: Final = 400  # lines on pages; the workbook has them all
COLUMNS: Final = {
    "line": "number",
    "holder": "text",
    "kind": "text",
    "grant": "text",
    "path": "text",
    "rights": "text",
    "reason": "text",
    "approval": "text",
    "uses": "number",
    "last use": "time",
    "peers": "text",
    "flags": "text",
    "state": "text",
    "decided by": "text",
    "decided": "time",
    "because": "text",
    "executed": "text",
    "task": "text",
    "proof": "text",
    "probe": "number",
    "entry": "number",
    "digest": "text",
}


@dataclass(frozen=True, slots=True)
class Record:
    """A campaign with its lines, and what people in it are called."""

    campaign: Campaign
    lines: Sequence[Line]
    last: dict[int, LineDecision]
    names: dict[str, str]

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.campaign.started_at:%Y%m%d}-{self.campaign.kind}-{self.campaign.id[:8]}"


async def record_of(tx: Transaction, campaign: Campaign) -> Record:
    """Read what a record is made of."""
    last = await latest(tx, campaign.id)
    who = dict.fromkeys(
        (campaign.started_by, campaign.signed_by, *(each.decided_by for each in last.values()))
    )
    who.pop("", None)
    lines = await tx.all(LINES, campaign=campaign.id)
    return Record(campaign, lines, last, await names_of(tx, who))


async def records_of(server: Server, period: Period) -> list[Record]:
    """Return the reviews that were begun or signed off in a period."""
    tx = Transaction(server.database, server.barrier)
    found = []
    for row in (await tx.examine(CAMPAIGNS, order="id"))[0]:
        times = [row.started_at, *([row.signed_at] if row.signed_at is not None else [])]
        if any(period.start <= each < period.end for each in times):
            found.append(await record_of(tx, row))
    return found


def pdf(record: Record, *, system: str, made_at: datetime, simulated: bool) -> bytes:
    """Return the page of a record. Blocking."""
    row = record.campaign
    both = [(each, _row(record, each)) for each in record.lines]
    both.sort(key=lambda each: (each[1]["state"] == "kept", each[0].number))
    rows = [each for _, each in both]
    left = len(rows) - MOST_SHOWN
    states = Counter(each["state"] for each in rows)
    revoked = [each for each in record.last.values() if each.verdict == REVOKE]
    data = {
        "title": row.title,
        "system": system,
        "period": f"{row.period_from:%Y-%m-%d} to {row.started_at:%Y-%m-%d %H:%M} UTC",
        "made_at": f"{made_at:%Y-%m-%d %H:%M:%S} UTC",
        "simulated": simulated,
        "kind": row.kind,
        "state": "signed off" if row.state == SIGNED else "open",
        "lines": f"{row.lines:,}",
        "kept": str(states["kept"]),
        "revoked": str(len(revoked)),
        "proven": str(sum(not each.pending for each in revoked)),
        "facts": _facts(record),
        "rows": [
            {
                "line": str(each["line"]),
                "holder": breakable(line.holder_name or line.holder),
                "grant": breakable(f"{each['kind']} {each['grant']}"),
                "use": f"{each['uses']} × {each['last use'] or 'never'}",
                "flags": str(each["flags"]).replace("_", " "),
                "state": str(each["state"]),
                "why": breakable(_why(record, each)),
            }
            for line, each in both[:MOST_SHOWN]
        ],
        "cut": f"{left} more lines, all of them kept or open, are in the workbook."
        if left > 0
        else "",
    }
    return render("review", data)


def _why(record: Record, row: dict[str, Any]) -> str:
    word = record.last.get(row["line"])
    if word is None:
        return ""
    by = record.names.get(word.decided_by) or word.decided_by
    said = [f"{by}: {row['because']}", word.executed, row["proof"]]
    said += [f"to do: {word.task}"] if word.task and word.pending else []
    return "; ".join(each for each in said if each)


def _facts(record: Record) -> list[list[str]]:
    row, names = record.campaign, record.names
    end = row.deadline_at + row.grace
    found = [
        ["begun", f"{rfc3339(row.started_at)} by {_named(names, row.started_by)}"],
        ["uses since", rfc3339(row.period_from)],
        ["until", f"{rfc3339(row.deadline_at)}; a sign-off counts until {rfc3339(end)}"],
        ["scope", ", ".join((*row.environments, *row.groups)) or f"all {row.kind}"],
        ["frozen", f"{row.lines} lines, root {breakable(row.root)}"],
        ["in the log", f"entry {row.entry} wrote it last; `review.start` has number and root"],
    ]
    if row.signed_at is not None:
        by = _named(names, row.signed_by)
        found.append(["signed off", f"{rfc3339(row.signed_at)} by {by}"])
        found.append(["statement", row.statement])
    return found


def sheet(record: Record, path: Path, made_at: datetime) -> None:
    """Write the workbook of a record. Blocking."""
    about = [("access review", record.campaign.title), *((a, b) for a, b in _facts(record))]
    rows = [_row(record, each) for each in record.lines]
    write_sheet(path, about=about, columns=COLUMNS, rows=rows, made_at=made_at)


def sheet_bytes(record: Record, made_at: datetime) -> bytes:
    """Return the workbook of a record. Blocking."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "review.xlsx"
        sheet(record, path, made_at)
        return path.read_bytes()


def _named(names: dict[str, str], entity: str) -> str:
    name = names.get(entity, "")
    return f"{name} ({entity})" if name else entity


def _row(record: Record, line: Line) -> dict[str, Any]:
    word = record.last.get(line.number)
    found: dict[str, Any] = {
        "line": line.number,
        "holder": f"{line.holder_name} ({line.holder})",
        "kind": line.kind,
        "grant": line.name,
        "path": " > ".join(line.path),
        "rights": "; ".join(line.rights),
        "reason": line.reason,
        "approval": line.approval,
        "uses": line.uses,
        "last use": line.last_use_at[:10],
        "peers": f"{line.peers} of {line.alike}",
        "flags": ", ".join(line.flags),
        "state": state_of_line(word),
        "digest": line.digest,
    }
    said: dict[str, Any] = {
        "decided by": "",
        "decided": "",
        "because": "",
        "executed": "",
        "task": "",
        "proof": "",
        "probe": None,
        "entry": None,
    }
    if word is not None:
        proof = f"{word.proof}: {word.proof_text}" if word.proof_text else word.proof
        said = {
            "decided by": _named(record.names, word.decided_by),
            "decided": rfc3339(word.decided_at),
            "because": word.because or (word.verdict if word.verdict != KEEP else ""),
            "executed": word.executed,
            "task": word.task,
            "proof": proof,
            "probe": word.proof_entry if word.proof_entry >= 0 else None,
            "entry": word.entry,
        }
    return {**found, **said}
