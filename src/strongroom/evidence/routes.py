"""`strongroom/evidence/…`: controls, their runs, and packs.

A run makes requests of its own, so the request that asked for it is overtaken by them and served
again: what was done for a request is kept until its commit, and done once.

Trust   Whoever may write `runs` or `pack` makes the server probe itself; it changes nothing but
        what is removed again. Whoever may write `pack` takes away the log of the period: paths,
        names and addresses, no values.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, NotFoundError
from strongroom.core.request import SystemCall
from strongroom.core.server import Server
from strongroom.evidence.definitions import definition_of
from strongroom.evidence.frameworks import load_framework
from strongroom.evidence.kept_runs import Kept
from strongroom.evidence.pack import Made, Packs
from strongroom.evidence.periods import parse_period
from strongroom.evidence.review_records import pdf, record_of, sheet_bytes
from strongroom.evidence.run import ControlRuns
from strongroom.evidence.verify import ROLLED
from strongroom.identity.governance.campaigns import CAMPAIGNS
from strongroom.sdk.engine import Endpoint, Help, Json, Named, Nothing, Reply, Route
from strongroom.sdk.facts.period import Period

MOST_KEPT = 16
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
UNKNOWN = {"count": 0, "with_exceptions": 0, "verdict": "inconclusive"}  # the log has none
PACK_NAME = re.compile(r"evidence-[0-9]{8}-[0-9]{8}-[0-9]{8}T[0-9]{6}-[0-9a-f]{6}\.zip")


@dataclass(frozen=True, kw_only=True)
class Over:
    """A period, and which controls."""

    period_start: Annotated[str, Help("First moment of the period, RFC 3339.", least=1)]
    period_end: Annotated[str, Help("End of the period, which it does not include.", least=1)]
    controls: Annotated[tuple[str, ...], Help("Ids of controls; all, if none is named.")] = ()


@dataclass(frozen=True, kw_only=True)
class OfReview:
    """A record of an access review."""

    id: Annotated[str, Help("Id of the review.", least=1, most=64)]
    form: Annotated[str, Help("What it is to be.", choices=("pdf", "xlsx"))] = "pdf"


@dataclass(slots=True, kw_only=True)
class EvidenceRoutes:
    """See the module."""

    server: Server
    runs: ControlRuns
    packs: Packs
    _kept: dict[str, Any] = field(default_factory=dict)

    def routes(self) -> tuple[Route, ...]:
        """Return the routes below `strongroom/evidence/`."""
        return (
            Route(
                path="controls",
                summary="The controls that can be run.",
                read=Endpoint(Nothing, self.list_controls, "evidence.controls"),
            ),
            Route(
                path="controls/{name}",
                summary="One control: what it tests, how, and when it holds.",
                read=Endpoint(Named, self.show_control, "evidence.control"),
            ),
            Route(
                path="runs",
                summary="Runs of controls; run some over a period.",
                read=Endpoint(Nothing, self.list_runs, "evidence.runs"),
                write=Endpoint(Over, self.run, "evidence.run"),
            ),
            Route(
                path="runs/{name}",
                summary="One run, with every result.",
                read=Endpoint(Named, self.show_run, "evidence.run.read"),
            ),
            Route(
                path="pack",
                summary="Make the evidence pack of a period, and take it away.",
                write=Endpoint(Over, self.make_pack, "evidence.export"),
            ),
            Route(
                path="packs",
                summary="The packs that are kept here.",
                read=Endpoint(Nothing, self.list_packs, "evidence.packs"),
            ),
            Route(
                path="packs/{name}",
                summary="A pack that was made before.",
                read=Endpoint(Named, self.give_pack, "evidence.export"),
            ),
            Route(
                path="reviews/{id}",
                summary="The record of an access review, as a page or a workbook.",
                read=Endpoint(OfReview, self.give_review, "evidence.review"),
            ),
        )

    async def _once(self, call: SystemCall, work: Callable[[], Awaitable[Any]]) -> Any:
        """Do something once for a request, however often it is served."""
        key = call.request.id
        if key not in self._kept:
            done = await work()
            while len(self._kept) >= MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = done
        call.after_commit(lambda: self._forget(key))
        return self._kept[key]

    def _forget(self, key: str) -> None:
        self._kept.pop(key, None)

    def _period(self, call: SystemCall, given: Over) -> Period:
        self.runs.chosen(given.controls)
        return parse_period(given.period_start, given.period_end, call.now)

    # -- controls

    async def list_controls(self, _call: SystemCall, _given: Nothing) -> Reply:
        framework = load_framework("soc2")
        listed = [
            {
                "id": control.id,
                "title": control.title,
                "kind": control.kind.value,
                "population": control.population,
                "definition": definition_of(control).version,
                "criteria": list(framework.criteria_of(control.id)),
            }
            for control in self.runs.controls
        ]
        return Reply({"controls": listed})

    async def show_control(self, _call: SystemCall, given: Named) -> Reply:
        for control in self.runs.controls:
            if control.id == given.name:
                definition = definition_of(control)
                written = Json(definition.written)
                return Reply({"id": control.id, "version": definition.version, "defined": written})
        raise NotFoundError

    # -- runs

    async def run(self, call: SystemCall, given: Over) -> Reply:
        """Run controls over a period; answers when all are done."""
        period = self._period(call, given)
        rows = await self._once(call, lambda: self.runs.run(period, given.controls))
        call.details |= {"run": rows[0].run, "controls": len(rows)}
        return Reply(await self._shown(await self.runs.read(rows[0].run)))

    async def list_runs(self, _call: SystemCall, _given: Nothing) -> Reply:
        runs: dict[str, dict[str, Any]] = {}
        for one in await self.runs.kept.in_clear():
            each = runs.setdefault(one.run, {"id": one.run, **_of_run([one]), "verdicts": {}})
            each["verdicts"][one.control] = one.verdict
        return Reply({"runs": [*reversed(runs.values())]})

    async def show_run(self, _call: SystemCall, given: Named) -> Reply:
        kept = await self.runs.read(given.name)
        if not kept:
            raise NotFoundError
        return Reply(await self._shown(kept, whole=True))

    async def _shown(self, kept: list[Kept], *, whole: bool = False) -> dict[str, Any]:
        titles = {control.id: control.title for control in self.runs.controls}
        rolled = await self.runs.rolled_up(kept)
        return {
            "id": kept[0].run,
            **_of_run(kept),
            "results": [
                {
                    "control": one.control,
                    "title": titles.get(one.control, ""),
                    "verdict": one.verdict,
                    **_of_row(one),
                    "runs": {n: rolled.get(one.control, UNKNOWN)[n] for n in ROLLED},
                    **({"problem": one.problem} if one.problem else {}),
                    **({"result": Json(one.row.result) if one.row else None} if whole else {}),
                }
                for one in kept
            ],
        }

    # -- packs

    async def make_pack(self, call: SystemCall, given: Over) -> Reply:
        """Make a pack, and answer with its bytes."""
        period = self._period(call, given)
        made: Made = await self._once(call, lambda: self.packs.make(period, given.controls))
        call.details |= {"pack": made.name, "bytes": made.size, "pack_sha256": made.sha256}
        return Reply(raw=made.path.read_bytes(), content_type="application/zip")

    async def list_packs(self, _call: SystemCall, _given: Nothing) -> Reply:
        folder = self.packs.folder
        found = sorted(folder.glob("evidence-*.zip")) if folder.is_dir() else []
        return Reply({"packs": [{"name": p.name, "bytes": p.stat().st_size} for p in found]})

    async def give_pack(self, call: SystemCall, given: Named) -> Reply:
        if not PACK_NAME.fullmatch(given.name):
            raise InputError("name", "not the name of a pack")
        path = self.packs.folder / given.name
        if not path.is_file():
            raise NotFoundError
        call.details["pack"] = given.name
        return Reply(raw=path.read_bytes(), content_type="application/zip")

    # -- reviews

    async def give_review(self, call: SystemCall, given: OfReview) -> Reply:
        """Answer with the record of a review as it is now."""
        row = await call.transaction.get(CAMPAIGNS, given.id)
        if row is None:
            raise NotFoundError
        record = await record_of(call.transaction, row)
        call.details |= {"campaign": row.id, "form": given.form}
        try:
            if given.form == "xlsx":
                data = await asyncio.to_thread(sheet_bytes, record, call.now)
                return Reply(raw=data, content_type=XLSX)
            settings = self.server.settings
            page = partial(
                pdf, system=settings.cluster_name, made_at=call.now, simulated=settings.simulated
            )
            data = await asyncio.to_thread(page, record)
        except ImportError as error:
            raise InputError("form", f"the package {error.name} is not installed here") from None
        return Reply(raw=data, content_type="application/pdf")


def _of_run(kept: list[Kept]) -> dict[str, str]:
    """Return period and time of a run, by the log."""
    logged = [one.logged for one in kept if one.logged is not None]
    if not logged:
        return {"period_start": "", "period_end": "", "ran_at": ""}
    said, time = logged[0].said, logged[0].time
    period = {name: said[name] for name in ("period_start", "period_end")}
    return {**period, "ran_at": rfc3339(time) if time is not None else ""}


def _of_row(one: Kept) -> dict[str, Any]:
    """Return what a row says, or nothing of it where it cannot be believed."""
    row = one.row
    return {
        "population": row.population if row else 0,
        "exceptions": row.exceptions if row else 0,
        "definition": row.definition if row else "",
        "checkpoint_size": row.checkpoint_size if row else 0,
        "entry": one.logged.index if one.logged else None,
    }


def evidence_routes(runs: ControlRuns) -> tuple[Route, ...]:
    """Return the routes of a server's evidence."""
    packs = Packs(server=runs.server, runs=runs)
    return EvidenceRoutes(server=runs.server, runs=runs, packs=packs).routes()
