"""`strongroom verify`: an evidence pack, offline.

Trust  The log's key comes from the person who verifies, by a way of its own; a pack that brings
       its own key shows only that it fits together. A pack of which nothing was checked is not
       a pack that holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from strongroom.cli.commands import in_session, offline
from strongroom.cli.errors import DOES_NOT_HOLD, OK, CommandError
from strongroom.cli.render import Mark, cell
from strongroom.cli.session import Session

if TYPE_CHECKING:
    from strongroom.evidence.verify import Verification


@offline("verify")
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--vkey", "vkeys", multiple=True, metavar="KEY", help="The log's key.")
@click.option("--witness", "witnesses", multiple=True, metavar="KEY", help="Of who cosigned it.")
@in_session
def verify(session: Session, pack: Path, vkeys: tuple[str, ...], witnesses: tuple[str, ...]) -> int:
    """Verify an evidence pack, without a server.

    Every file, entry and proof in it, up to the log's signature. Exit status 0 if all holds, 3 if
    not. Without --vkey the pack is only compared with itself. Each witness whose key is given must
    have cosigned checkpoints in it.
    """
    from strongroom.evidence.verify import verify_pack  # noqa: PLC0415  here alone

    if not pack.is_file():
        raise CommandError(f"{pack} is not a file")
    found = verify_pack(pack, vkeys, witnesses=witnesses)
    session.answer(_as_data(found), lambda: _show(session, pack, found))
    if not found.key_given:
        session.output.note("note: compared with itself only; give the log's key with --vkey")
    return OK if found.ok else DOES_NOT_HOLD


def _as_data(found: Verification) -> dict[str, Any]:
    checks = [
        {"name": c.name, "held": c.held, "detail": c.detail, "problems": list(c.problems)}
        for c in found
    ]
    witnesses = [
        {"name": w.name, "checkpoints": w.checkpoints, "size": w.size, "key_given": w.key_given}
        for w in found.witnesses
    ]
    return {
        "sound": found.ok,
        "key_given": found.key_given,
        "completeness": "partial" if found.lacks else "complete" if found.ok else "unknown",
        "left_out": list(found.left_out),
        "witnesses": witnesses,
        "checks": checks,
    }


def _show(session: Session, pack: Path, found: Verification) -> None:
    mark, word = (Mark.GOOD, "the pack holds") if found.ok else (Mark.BAD, "the pack does not hold")
    session.output.line(f"{session.output.state(mark, word)}   {session.output.dim(str(pack))}")
    if found.lacks:
        session.output.line(session.output.state(Mark.PART, f"it is partial: {found.lacks}"))
    session.output.line()
    rows = [
        (cell(Mark.GOOD, "holds"), check.name, check.detail)
        if check.held
        else (cell(Mark.BAD, "broken"), check.name, "\n".join(check.problems))
        for check in found
    ]
    session.output.table(("", "check", "detail"), rows, empty="nothing was checked")
