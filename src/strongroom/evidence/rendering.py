"""What of a pack people read: workbooks and pages, made from the staged files and nothing else.

Where the packages that draw them are not installed, the pack is made without, and says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from strongroom.base.clock import rfc3339
from strongroom.evidence.frameworks import Framework
from strongroom.evidence.pages import breakable, render
from strongroom.evidence.periods import in_words
from strongroom.evidence.populations import POPULATIONS, Population
from strongroom.evidence.review_records import Record, pdf, sheet
from strongroom.evidence.sheets import write_sheet
from strongroom.evidence.staging import Staging
from strongroom.evidence.verify import in_words as in_words_of_runs
from strongroom.sdk.control import Verdict
from strongroom.sdk.facts.period import Period

MOST_ITEMS = 200  # on a page; result.json has them all
HELD = {False: "broke", None: "not judged", True: "held"}
ITEM_COLUMNS = {
    "held": "text",
    "subject": "text",
    "because": "text",
    "members": "number",
    "proof": "text",
}
LIMITS = (
    "That what was recorded was true: who sat behind a session, or what a person meant.",
    (
        "That the server was in nobody else's hands before its log was first witnessed. A log "
        "that no witness cosigns proves nothing against whoever controls its own host and key: "
        "they could have written all of it anew."
    ),
    (
        "That something never happened because it is not in the log: the counters of the "
        "heartbeats and receipts kept by clients speak to that, no signature does."
    ),
    (
        "That a state which was tested at the run was the same on every other day of the period. "
        "Each test says whether it looked at the period or at the moment."
    ),
    (
        "That controls ran as often as they should have: there is no calendar of runs. Each test "
        "lists the runs that the log has over some of the period."
    ),
    "Anything outside this server: other stores, backups, machines, people, buildings.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What every page and workbook says of where it comes from."""

    system: str
    made_by: Mapping[str, str]
    origin: str
    vkey: str
    period: Period
    made_at: datetime
    simulated: bool
    framework: Framework
    checkpoint_size: int
    checkpoint_root: str
    witnesses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what the log does not cover, and that the clock went back
    setbacks: int = 0  # how often it did in the period

    @property
    def clock(self) -> str:
        """How the server's clock was set, in words."""
        if self.simulated:
            return "SIMULATED: the clock of this server was movable; the times are not real ones"
        return "the clock of the server's machine"

    def frame(self, title: str) -> dict[str, Any]:
        """Return what the frame of a page needs."""
        start, end = (f"{m:%Y-%m-%d %H:%M}" for m in (self.period.start, self.period.end))
        return {
            "title": title,
            "system": self.system,
            "period": f"{start} to {end} UTC",
            "made_at": f"{self.made_at:%Y-%m-%d %H:%M:%S} UTC by {self.made_by['program']}",
            "simulated": self.simulated,
        }


def crosswalk(told: Told) -> dict[str, Any]:
    """Return the framework as data."""
    return {
        "framework": told.framework.id,
        "title": told.framework.title,
        "criteria": [
            {
                "id": c.id,
                "subject": c.subject,
                "tests": [{"id": t.control, "shows": t.shows} for t in c.tests],
            }
            for c in told.framework.criteria
        ],
    }


def pages(
    staging: Staging,
    told: Told,
    results: Sequence[Mapping[str, Any]],
    frozen: Mapping[str, Mapping[str, Any]],
) -> None:
    """Stage every workbook and page; blocking."""
    try:
        for result in results:
            _exceptions(staging, told, result)
        for population in POPULATIONS:
            _rows(staging, told, population, frozen[population.id])
    except ImportError as error:
        staging.missing.append(f"workbooks: the package {error.name} is not installed")
    try:
        for result in results:
            data = _result_page(told, result)
            staging.write(f"tests/{result['control']}/result.pdf", render("result", data))
        partial = staging.lacks()
        summary = _summary_page(told, results, frozen, partial)
        staging.write("summary.pdf", render("summary", summary))
        staging.write("README.pdf", render("readme", _readme_page(told, partial)))
    except ImportError as error:
        staging.missing.append(f"pages: the package {error.name} is not installed")


def reviews(staging: Staging, told: Told, records: Sequence[Record]) -> None:
    """Stage the record of each access review of the period; blocking."""
    made = told.made_at
    try:
        for each in records:
            sheet(each, staging.path(f"reviews/{each.name}.xlsx"), made)
    except ImportError as error:
        staging.missing.append(f"workbooks: the package {error.name} is not installed")
    try:
        for each in records:
            page = pdf(each, system=told.system, made_at=made, simulated=told.simulated)
            staging.write(f"reviews/{each.name}.pdf", page)
    except ImportError as error:
        staging.missing.append(f"pages: the package {error.name} is not installed")


# -- workbooks


def _about(told: Told, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the first sheet: what an auditor asks of information that an entity made."""
    witnesses = ", ".join(told.witnesses) or "none is configured"
    return [
        *more[:1],
        ("system", f"{told.system} (log {told.origin})"),
        ("made by", f"{told.made_by['program']}, by the server itself"),
        ("build", told.made_by["build"]),
        ("host", told.made_by["host"] or "not known"),
        ("made at", rfc3339(told.made_at)),
        ("clock", told.clock),
        ("period", in_words(told.period)),
        *more[1:],
        ("log checkpoint", f"size {told.checkpoint_size}, root {told.checkpoint_root}"),
        ("witnesses", witnesses),
    ]


def _exceptions(staging: Staging, told: Told, result: Mapping[str, Any]) -> None:
    folder = f"tests/{result['control']}"
    items = [item for item in result["items"] if item["held"] is not True]
    about = _about(
        told,
        ("test", f"{result['control']}: {result['texts']['title']}"),
        ("population", result["texts"]["population"]),
        ("procedure", result["texts"]["procedure"]),
        ("holds when", result["texts"]["holds_when"]),
        ("verdict", result["verdict"]),
        ("members", str(result["population"])),
        ("exceptions", str(result["exceptions"])),
        ("covered by an exception in force", str(result.get("excepted", 0))),
        ("not judged", str(result["unjudged"])),
        ("runs over the period", in_words_of_runs(result["runs"])),
        ("definition version", result["definition"]),
        ("entry of the run", str(result["entry"])),
        ("rows", f"{len(items)}: every item that did not hold; result.json has all"),
    )
    rows = (
        {"exception": "", **item, "held": _held(item), "proof": _joined(item["proof"])}
        for item in items
    )
    write_sheet(
        staging.path(f"{folder}/exceptions.xlsx"),
        about=about,
        columns=ITEM_COLUMNS,
        rows=rows,
        made_at=told.made_at,
    )


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}."


def _joined(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _rows(staging: Staging, told: Told, population: Population, frozen: Mapping[str, Any]) -> None:
    folder = f"populations/{population.id}"
    first, last = _ends(staging, folder)
    about = _about(
        told,
        ("population", f"{population.id}: {population.title}"),
        ("filter in words", population.words),
        ("query", population.query(told.period)),
        ("rows", str(frozen["rows"])),
        ("first and last position", f"{first} to {last}" if frozen["source"] == "log" else "none"),
        ("frozen root", f"{frozen['root']} (RFC 6962 tree over the lines of rows.jsonl)"),
        ("reconcile", _reconciled(frozen)),
        ("feeds", ", ".join(population.feeds) or "review"),
    )
    with staging.path(f"{folder}/rows.jsonl").open("rb") as lines:
        write_sheet(
            staging.path(f"{folder}/rows.xlsx"),
            about=about,
            columns=population.columns,
            rows=_decoded(lines),
            made_at=told.made_at,
        )


def _decoded(lines: Any) -> Iterator[dict[str, Any]]:
    for line in lines:
        yield json.loads(line)


def _ends(staging: Staging, folder: str) -> tuple[Any, Any]:
    """Return the positions of the first row and of the last."""
    first = last = None
    with staging.path(f"{folder}/rows.jsonl").open("rb") as lines:
        for row in _decoded(lines):
            first = row.get("index") if first is None else first
            last = row.get("index")
    return first, last


def _reconciled(frozen: Mapping[str, Any]) -> str:
    sign = "=" if frozen["rows"] == frozen["counted"] else "DIFFERS FROM"
    return f"{frozen['rows']} rows {sign} {frozen['counted']} {frozen['counts']}"


# -- pages


def _result_page(told: Told, result: Mapping[str, Any]) -> dict[str, Any]:
    texts, tree, made = result["texts"], result["checkpoint"], result["made_by"]
    shown = [_item(item) for item in result["items"]]
    broken = [item for item, raw in zip(shown, result["items"], strict=True) if not raw["held"]]
    held = [item for item, raw in zip(shown, result["items"], strict=True) if raw["held"]]
    kept = held[: max(0, MOST_ITEMS - len(broken))]
    left = len(shown) - len(broken[:MOST_ITEMS]) - len(kept)
    parameters = "; ".join(f"{k}: {_plain(v)}" for k, v in texts["parameters"].items())
    criteria = ", ".join(told.framework.criteria_of(result["control"])) or "no criterion"
    return told.frame(texts["title"]) | {
        "control": result["control"],
        "kind": texts["kind"],
        "criteria": criteria,
        "verdict": result["verdict"],
        "population": f"{result['population']:,}",
        "exceptions": str(result["exceptions"]),
        "excepted": str(result.get("excepted", 0)),
        "unjudged": str(result["unjudged"]),
        "what": [
            ["population", texts["population"]],
            ["procedure", texts["procedure"]],
            ["holds when", texts["holds_when"]],
            *([["parameters", breakable(parameters)]] if parameters else []),
            ["does not show", texts["limits"]],
        ],
        "basis": [
            ["period", in_words(told.period)],
            ["run", f"{result['ran_at']}, {result['run']}"],
            ["all runs", f"{in_words_of_runs(result['runs'])}; runs.json has them"],
            ["in the log", f"entry {result['entry']} has the digest of the result"],
            ["checkpoint", f"size {tree['size']}, root {tree['root']}"],
            ["definition", result["definition"]],
            ["made by", f"{made['program']}, build {made['build']}, on {made['host'] or '?'}"],
            ["clock", told.clock],
            *(["to be noted", note] for note in told.notes),
        ],
        "broken": broken[:MOST_ITEMS],
        "held": kept,
        "cut": f"{left} more items are in result.json." if left else "",
    }


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _item(item: Mapping[str, Any]) -> dict[str, str]:
    return {
        "subject": breakable(item["subject"]),
        "held": _held(item),
        "because": breakable(item["because"]),
        "members": f"{item['members']:,}",
    }


def _held(item: Mapping[str, Any]) -> str:
    return "excepted" if item.get("exception") else HELD[item["held"]]


def _runs_of(rolled: Mapping[str, Any]) -> str:
    odd = rolled["with_exceptions"]
    return f"{rolled['count']}" + (f", of which {odd} with exceptions" if odd else "")


def _summary_page(
    told: Told,
    results: Sequence[Mapping[str, Any]],
    frozen: Mapping[str, Mapping[str, Any]],
    partial: str,
) -> dict[str, Any]:
    verdicts = [result["runs"]["verdict"] for result in results]
    known = {result["control"]: result["runs"]["verdict"] for result in results}
    return told.frame("Summary of control tests") | {
        "partial": partial,
        "words": " ".join([f"Period {in_words(told.period)}.", *map(_sentence, told.notes)]),
        "tally": [[verdict.value, str(verdicts.count(verdict.value))] for verdict in Verdict],
        "tests": [
            {
                "id": result["control"],
                "title": result["texts"]["title"],
                "verdict": result["verdict"],
                "population": f"{result['population']:,}",
                "exceptions": str(result["exceptions"]),
                "runs": _runs_of(result["runs"]),
                "of_period": result["runs"]["verdict"],
            }
            for result in results
        ],
        "criteria": [
            {
                "id": c.id,
                "subject": c.subject,
                "tests": "; ".join(
                    f"{t.control} {known.get(t.control, 'not in this pack')} ({t.shows})"
                    for t in c.tests
                ),
            }
            for c in told.framework.criteria
        ],
        "populations": [
            {
                "id": p.id,
                "title": p.title,
                "rows": f"{frozen[p.id]['rows']:,}",
                "reconciled": "yes"
                if frozen[p.id]["rows"] == frozen[p.id]["counted"]
                else f"NO: {frozen[p.id]['counted']:,}",
            }
            for p in POPULATIONS
        ],
        "log": [
            ["origin", told.origin],
            ["witnesses", ", ".join(told.witnesses) or NO_WITNESS],
            ["clock", told.clock],
        ],
    }


NO_WITNESS = (
    "none is configured. An unwitnessed log proves nothing against whoever controls its own host."
)


def _readme_page(told: Told, partial: str) -> dict[str, Any]:
    limits = list(LIMITS)
    if told.simulated:
        limits.insert(0, "Anything about real days: the clock of this server was simulated.")
    return told.frame("How to use this evidence pack") | {
        "words": f"Evidence of {told.system}. Period {in_words(told.period)}.",
        "partial": partial,
        "vkey": told.vkey,
        "folders": [
            ["manifest.json", "every file with its digest; what is complete and what is missing"],
            ["summary.pdf", "all tests at a glance, by test and by criterion"],
            ["tests/", "for each test its definition with source, its result, its exceptions"],
            ["tests/Tnn/runs.json", "each run of the test over some of the period"],
            ["populations/", "the rows, the query that gave them, and the root they are frozen by"],
            ["log/", "every entry of the log in the period and up to this pack, byte for byte"],
            ["proofs/", "that the log only grew, and that each cited entry is in it"],
            ["checkpoint/", "the log's signatures, and its key"],
            ["frameworks.json", "which test speaks to which criterion, and how strongly"],
            ["contents.sha256", "the digests that the log vouches for; sha256sum -c reads it"],
            ["verify.py", "the program that checks all of this"],
        ],
        "verdicts": [
            ["effective", "every item held"],
            ["excepted", "what broke is covered by an exception in force; each is listed, by name"],
            ["exceptions", "some item broke; each is listed"],
            ["inconclusive", "none broke, and some could not be judged; each is listed"],
            ["not exercised", "there was nothing to test in the period"],
        ],
        "limits": limits,
    }
