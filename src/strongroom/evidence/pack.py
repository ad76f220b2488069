"""The evidence pack: one ZIP with the log, the populations, the results, and what checks them.

Order   results (run now where there are none over this period) → populations, results and pages
        staged, and the checkpoint before the period → entry `evidence.pack` with the digest of
        all that → checkpoint → log segment and proofs → manifest → ZIP. So everything but the log
        is bound by an entry of the log, the log by its signature, and the manifest and the ZIP
        follow from both.
Trust   A pack proves that nothing changed since the checkpoint was signed, to whoever has the
        log's key by another way. What it does not prove stands in it, and in `LIMITS`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from strongroom.audit.log import Published
from strongroom.base.clock import rfc3339
from strongroom.base.errors import PreconditionError
from strongroom.core.server import Server
from strongroom.crypto.checkpoint import Checkpoint
from strongroom.crypto.merkle import Tree, leaf_hash
from strongroom.crypto.note import Note
from strongroom.evidence import rendering
from strongroom.evidence.acting import event_of
from strongroom.evidence.canonical import canonical
from strongroom.evidence.definitions import definition_of
from strongroom.evidence.frameworks import load_framework
from strongroom.evidence.gathering import reading
from strongroom.evidence.log_reading import LogReading
from strongroom.evidence.periods import in_words
from strongroom.evidence.populations import POPULATIONS, Population, Sources, stretch
from strongroom.evidence.records import ControlRun
from strongroom.evidence.rendering import Told
from strongroom.evidence.results import cited
from strongroom.evidence.review_records import records_of
from strongroom.evidence.run import ControlRuns, checkpoint
from strongroom.evidence.segments import (
    HOW_OBTAINED,
    Span,
    start_of,
    witnessed_checkpoint,
    write_cited,
    write_cosigned,
    write_entries,
    write_proofs,
)
from strongroom.evidence.sources import made_by
from strongroom.evidence.staging import Staging, digest_of_file, zip_folder
from strongroom.evidence.verify import FORMAT, ROLLED, left_out, rolled_up, written
from strongroom.sdk.facts.period import Period

TOGETHER = 256


@dataclass(frozen=True, slots=True)
class Made:
    """A pack that is there."""

    name: str
    path: Path
    size: int
    sha256: str
    entry: int


@dataclass(slots=True, kw_only=True)
class Packs:
    """Makes packs, and keeps them in the folder of the surroundings."""

    server: Server
    runs: ControlRuns

    @property
    def folder(self) -> Path:
        """Where packs are kept; PreconditionError on a server that has no place for them."""
        if self.runs.surroundings.packs is None:
            raise PreconditionError("this server was configured without a place for packs")
        return self.runs.surroundings.packs

    async def make(self, period: Period, ids: Sequence[str] = ()) -> Made:
        """Make the pack of a period; controls that were not run over it are run first."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        rows = await self._results(period, ids)
        made_at = self.server.clock.now()
        name = (
            f"evidence-{period.start:%Y%m%d}-{period.end:%Y%m%d}-{made_at:%Y%m%dT%H%M%S}"
            f"-{self.server.entropy(3).hex()}.zip"
        )
        folder = self.folder / f".{name}.staging"
        staging = Staging(folder)
        try:
            return await self._make(staging, name, period, rows, made_at)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _results(self, period: Period, ids: Sequence[str]) -> list[ControlRun]:
        wanted = [control.id for control in self.runs.chosen(ids)]
        found = {each: await self.runs.latest(period, each) for each in wanted}
        if lacking := [each for each, row in found.items() if row is None]:
            found |= {row.control: row for row in await self.runs.run(period, lacking)}
        return [row for row in found.values() if row is not None]

    async def _make(
        self,
        staging: Staging,
        name: str,
        period: Period,
        rows: Sequence[ControlRun],
        made_at: datetime,
    ) -> Made:
        server = self.server
        log = await reading(server, await checkpoint(server), self.runs.surroundings)
        told = Told(
            system=server.settings.cluster_name,
            made_by=made_by(self.runs.surroundings.host),
            origin=server.log.origin,
            vkey=server.log.verifier_key,
            period=period,
            made_at=made_at,
            simulated=server.settings.simulated,
            framework=load_framework("soc2"),
            checkpoint_size=log.published.size,
            checkpoint_root=b64encode(_root(log.published)).decode(),
            witnesses=tuple(self.runs.surroundings.witnesses()),
            notes=await log.notes(period),
            setbacks=len(await log.setbacks(period.start, period.end)),
        )
        results = self._tests(staging, rows)
        frozen = {p.id: await self._population(staging, p, log, told) for p in POPULATIONS}
        self._rollups(staging, results)
        staging.write("checkpoint/log.vkey", f"{told.vkey}\n")
        staging.write("checkpoint/witnesses.vkey", "".join(f"{w}\n" for w in told.witnesses))
        staging.write("checkpoint/how-obtained.txt", HOW_OBTAINED)
        first, _ = await log.stretch(period.start, period.end)
        start = await start_of(log, first)
        witnessed = await witnessed_checkpoint(log)
        for each, published in (("start", start), ("witnessed", witnessed)):
            if published is not None:
                staging.write(f"checkpoint/{each}.txt", published.note)
        await write_cosigned(staging, log, period)
        staging.write("frameworks.json", canonical(rendering.crosswalk(told)))
        staging.write("verify.py", Path(__file__).with_name("verify.py").read_bytes())
        await asyncio.to_thread(rendering.pages, staging, told, results, frozen)
        reviews = await records_of(server, period)
        await asyncio.to_thread(rendering.reviews, staging, told, reviews)
        about = _about(name, told) | _listed(staging, told, results, frozen)
        staging.write("about.json", written(about))
        entry = await self._record(staging, name, period, frozen)
        log_part = await self._log(staging, told, start, witnessed, results)
        manifest = {
            "format": FORMAT,
            "about": about,
            "log": {**log_part, "pack_entry": entry},
            "files": await asyncio.to_thread(staging.listed),
        }
        staging.write("manifest.json", written(manifest))
        target = self.folder / name
        await asyncio.to_thread(zip_folder, staging.folder, target)
        digest = await asyncio.to_thread(digest_of_file, target)
        return Made(name, target, target.stat().st_size, digest, entry)

    # -- what is in it

    def _tests(self, staging: Staging, rows: Sequence[ControlRun]) -> list[dict[str, Any]]:
        """Stage definitions and results; return the results with the entries of their runs."""
        known = {control.id: control for control in self.runs.controls}
        results: list[dict[str, Any]] = []
        for row in rows:
            definition = definition_of(known[row.control])
            folder = f"tests/{row.control}"
            staging.write(f"{folder}/definition.json", definition.written)
            staging.write(f"{folder}/result.json", row.result)
            if definition.version != row.definition:
                staging.missing.append(f"{folder}: the definition has changed since it was run")
            results.append(
                {
                    **json.loads(row.result),
                    "entry": row.entry,
                    "texts": json.loads(definition.written),
                }
            )
        there = {row.control for row in rows}
        staging.missing += [left_out(each) for each in sorted({*known} - there)]
        return results

    def _rollups(self, staging: Staging, results: list[dict[str, Any]]) -> None:
        """Stage for each result all runs of its test that P22 has over some of the period."""
        with staging.path("populations/P22/rows.jsonl").open("rb") as lines:
            runs = [json.loads(line) for line in lines]
        for result in results:
            result["runs"] = rolled_up(result, runs)
            staging.write(f"tests/{result['control']}/runs.json", canonical(result["runs"]))

    async def _population(
        self, staging: Staging, population: Population, log: LogReading, told: Told
    ) -> dict[str, Any]:
        """Stage the rows of a population and freeze them; return what is frozen."""
        folder, tree, count = f"populations/{population.id}", Tree(), 0
        sources = Sources(self.server, log)
        with (
            staging.open(f"{folder}/rows.jsonl") as file,
            staging.open(f"{folder}/row-hashes.bin") as hashes,
        ):
            async for row in population.rows(sources, told.period):
                line = canonical(row)
                hashed = leaf_hash(line)
                tree.append([hashed])
                file.write(line + b"\n")
                hashes.write(hashed)
                count += 1
                if count % TOGETHER == 0:
                    await asyncio.sleep(0)
        frozen: dict[str, Any] = {
            "population": population.id,
            "rows": count,
            "root": b64encode(tree.root()).decode(),
            "source": "log" if population.codes else "state",
            "counted": await population.counted(sources, told.period),
            "counts": population.counts,
            "checkpoint": {"size": told.checkpoint_size, "root": told.checkpoint_root},
            "made_at": rfc3339(told.made_at),
            "made_by": dict(told.made_by),
        }
        if population.codes:
            first, end = await stretch(log, told.period, to_pack=population.to_pack)
            reach = "pack" if population.to_pack else "period"
            frozen |= {"codes": list(population.codes), "reach": reach, "first": first, "end": end}
        staging.write(f"{folder}/frozen-root.json", canonical(frozen))
        staging.write(f"{folder}/query.txt", population.query(told.period))
        return frozen

    async def _record(
        self, staging: Staging, name: str, period: Period, frozen: dict[str, dict[str, Any]]
    ) -> int:
        """Write down what the pack holds, so that the log vouches for it."""
        details: dict[str, object] = {
            "pack": name,
            "period_start": rfc3339(period.start),
            "period_end": rfc3339(period.end),
            "contents": await asyncio.to_thread(staging.contents),
            "controls": {c.id: definition_of(c).version for c in self.runs.controls},
            "populations": {
                each: {"rows": one["rows"], "root": one["root"]} for each, one in frozen.items()
            },
        }
        path = "strongroom/evidence/pack"
        return await self.server.pipeline.record(
            event_of(self.server, "evidence.pack", path, details)
        )

    async def _log(
        self,
        staging: Staging,
        told: Told,
        start: Published | None,
        witnessed: Published | None,
        results: Sequence[dict[str, Any]],
    ) -> dict[str, Any]:
        """Stage the log up to a checkpoint of now, and return what the manifest says of it."""
        published = await checkpoint(self.server)
        log = await reading(self.server, published, self.runs.surroundings)
        span = Span(start, published)
        staging.write("checkpoint/end.txt", published.note)
        await write_entries(staging, log, span)
        await write_cited(staging, log, span, cited(results))
        await write_proofs(staging, self.server.log, span, witnessed, cited(results))
        return {
            "origin": told.origin,
            "first": span.begin,
            "size": published.size,
            "witnessed": 0 if witnessed is None else witnessed.size,
            "vkey": told.vkey,
        }


def _root(published: Published) -> bytes:
    return Checkpoint.parse(Note.parse(published.note).text).root


def _about(name: str, told: Told) -> dict[str, Any]:
    """Return what the manifest says of the pack as a whole."""
    return {
        "name": name,
        "made_at": rfc3339(told.made_at),
        "made_by": dict(told.made_by),
        "system": told.system,
        "period": {
            "start": rfc3339(told.period.start),
            "end": rfc3339(told.period.end),
            "in_words": in_words(told.period),
        },
        "clock": "simulated" if told.simulated else "system",
        "clock_went_back": told.setbacks,
        "notes": list(told.notes),
        "does_not_prove": list(rendering.LIMITS),
    }


def _listed(
    staging: Staging,
    told: Told,
    results: Sequence[dict[str, Any]],
    frozen: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Return what the manifest says of tests and populations, and what is missing."""
    return {
        "completeness": "partial" if staging.missing else "complete",
        "missing": staging.missing,
        "tests": [
            {
                "id": r["control"],
                "title": r["texts"]["title"],
                "verdict": r["verdict"],
                "definition": r["definition"],
                "runs": {name: r["runs"][name] for name in ROLLED},
                "criteria": list(told.framework.criteria_of(r["control"])),
                "effective": [r["period_start"], r["period_end"]],
                "collected": r["ran_at"],
                "recorded": r["entry"],
            }
            for r in results
        ],
        "populations": [
            {"id": each, "rows": one["rows"], "root": one["root"], "source": one["source"]}
            for each, one in frozen.items()
        ],
    }
