"""`strongroom evidence`: run controls over a period, list runs, take packs away."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from strongroom.cli.commands import command, group, in_session
from strongroom.cli.errors import DOES_NOT_HOLD, OK, CommandError
from strongroom.cli.render import Mark, cell, when
from strongroom.cli.session import Session

evidence = group("evidence", "Run controls over a period, list runs, take packs away.")
_AREA = "strongroom/evidence"
_LARGEST_PACK = 2**32  # bytes
_MARKS = {
    "tampered": Mark.BAD,
    "exceptions": Mark.BAD,
    "inconclusive": Mark.PART,
    "excepted": Mark.PART,
    "not exercised": Mark.UNKNOWN,
    "effective": Mark.GOOD,
}
start_option = click.option("--start", required=True, metavar="TIME", help="RFC 3339, or a date.")
end_option = click.option("--end", metavar="TIME", help="Up to, and not with it; now, if not said.")
controls_option = click.option(
    "--control", "controls", multiple=True, metavar="ID", help="T02, say; all if not said."
)


def _period(
    session: Session, start: str, end: str | None, controls: tuple[str, ...]
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "period_start": _moment(start),
        "period_end": _moment(end) if end else _now(session),
    }
    return body | ({"controls": list(controls)} if controls else {})


def _moment(text: str) -> str:
    return f"{text}T00:00:00Z" if len(text) == 10 else text


def _now(session: Session) -> str:
    """Return what time it is on the server, whose clock counts."""
    health = session.client.send("GET", "sys/health", accepted=frozenset(range(400, 600)))
    if not isinstance(health.data, dict) or "server_time_utc" not in health.data:
        raise CommandError("the server does not tell the time", "give --end")
    now = datetime.fromtimestamp(health.data["server_time_utc"], UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


@command("run")
@start_option
@end_option
@controls_option
@in_session
def run(session: Session, start: str, end: str | None, controls: tuple[str, ...]) -> int:
    """Run controls over a period. Exit status 3 if one has exceptions, or its row was changed."""
    found = session.client.post(f"{_AREA}/runs", _period(session, start, end, controls))["data"]
    session.answer(found, lambda: _show_run(session, found))
    if not session.output.as_json and any(r["verdict"] in _UNWELL for r in found["results"]):
        session.output.note(f"note: what is behind that: strongroom evidence show {found['id']}")
    return _status(found)


_UNWELL = frozenset({"exceptions", "inconclusive", "tampered"})


@command("show")
@click.argument("run_id", metavar="RUN")
@in_session
def show(session: Session, run_id: str) -> int:
    """Show a run: the verdict of each control, and each item that did not hold."""
    found = session.client.get(f"{_AREA}/runs/{run_id}")["data"]
    session.answer(found, lambda: _show_whole(session, found))
    return _status(found)


def _status(found: dict[str, Any]) -> int:
    failed = any(result["verdict"] in ("exceptions", "tampered") for result in found["results"])
    return DOES_NOT_HOLD if failed else OK


def _show_run(session: Session, found: dict[str, Any]) -> None:
    period = f"{when(found['period_start'])} to {when(found['period_end'])}"
    session.output.title(f"run {found['id']}", period)
    session.output.line()
    rows = [
        (
            *(r["control"], _verdict(r["verdict"]), r["population"], r["exceptions"]),
            *(_runs(r["runs"]), _verdict(r["runs"]["verdict"]), r["title"]),
        )
        for r in found["results"]
    ]
    columns = ("control", "verdict", "population", "exceptions", "runs", "for the period", "what")
    session.output.table(columns, rows)


def _runs(rolled: dict[str, Any]) -> str:
    """Say how many runs there are over some of the period: a re-run erases none."""
    odd = rolled["with_exceptions"]
    return f"{rolled['count']}, {odd} with exceptions" if odd else str(rolled["count"])


def _show_whole(session: Session, found: dict[str, Any]) -> None:
    _show_run(session, found)
    rows = [
        (result["control"], _held(item), item["subject"], item["because"], _cited(item))
        for result in found["results"]
        for item in (result["result"] or {"items": ()})["items"]
        if item["held"] is not True
    ]
    rows += [
        (r["control"], cell(Mark.BAD, "tampered"), "its row", r["problem"], str(r["entry"] or ""))
        for r in found["results"]
        if r.get("problem")
    ]
    if rows:
        session.output.line()
        session.output.table(("control", "", "subject", "because", "entries"), rows)


def _verdict(verdict: str, count: int | None = None) -> str:
    number = "" if count is None else f"{count} "
    return cell(_MARKS.get(verdict, Mark.UNKNOWN), f"{number}{verdict}")


def _held(item: dict[str, Any]) -> str:
    held = item["held"]
    if held is False and item.get("exception"):
        return cell(Mark.PART, "excepted")
    return cell(Mark.BAD, "broke") if held is False else cell(Mark.PART, "not judged")


def _cited(item: dict[str, Any]) -> str | None:
    """Return the entries of the log that show it, a few of them."""
    cited = [str(index) for index in item["proof"]]
    more = f" and {len(cited) - 4} more" if len(cited) > 4 else ""
    return ", ".join(cited[:4]) + more if cited else None


@command("list")
@in_session
def list_runs(session: Session) -> None:
    """List the runs, the newest first."""
    found = session.client.get(f"{_AREA}/runs")["data"]
    rows = [
        (r["id"], when(r["period_start"]), when(r["period_end"]), _verdicts(r["verdicts"]))
        for r in found["runs"]
    ]
    columns = ("run", "from", "to", "verdicts")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no run yet"))


def _verdicts(verdicts: dict[str, str]) -> str:
    """Say how many there are of each verdict, the worst first."""
    counts = Counter(verdicts.values())
    return ", ".join(_verdict(v, counts[v]) for v in _MARKS if counts[v])


@command("controls")
@in_session
def controls(session: Session) -> None:
    """List the controls that can be run."""
    found = session.client.get(f"{_AREA}/controls")["data"]
    rows = [(c["id"], c["criteria"], c["title"], c["population"]) for c in found["controls"]]
    columns = ("control", "criteria", "what", "population")
    session.answer(found, lambda: session.output.table(columns, rows))


@command("pack")
@start_option
@end_option
@controls_option
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The ZIP to write."
)
@in_session
def pack(
    session: Session, start: str, end: str | None, controls: tuple[str, ...], output: Path
) -> None:
    """Take the evidence of a period away, in one file that `strongroom verify` checks.

    The newest run over the same period is in it; without one, the controls are run.
    """
    period = _period(session, start, end, controls)
    session.client.largest = _LARGEST_PACK
    reply = session.client.send("POST", f"{_AREA}/pack", period)
    if not reply.raw.startswith(b"PK"):
        raise CommandError("the server did not send a pack")
    output.write_bytes(reply.raw)
    found = {"pack": str(output), "bytes": len(reply.raw)}
    session.answer(found, lambda: session.output.done(f"the pack is {output}"))
    if controls:
        session.output.note(
            "note: it has the controls that were named; without others it is partial"
        )


@command("packs")
@click.argument("name", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to copy NAME to.")
@in_session
def packs(session: Session, name: str | None, output: Path | None) -> None:
    """List the packs that the server keeps, or take NAME away again."""
    if name is not None:
        target = output or Path(Path(name).name)
        session.client.largest = _LARGEST_PACK
        target.write_bytes(session.client.send("GET", f"{_AREA}/packs/{name}").raw)
        session.answer({"pack": str(target)}, lambda: session.output.done(f"the pack is {target}"))
        return
    found = session.client.get(f"{_AREA}/packs")["data"]
    rows = [(each["name"], each["bytes"]) for each in found["packs"]]
    session.answer(
        found, lambda: session.output.table(("pack", "bytes"), rows, empty="no pack yet")
    )


for _each in (run, list_runs, show, controls, pack, packs):
    evidence.add_command(_each)
