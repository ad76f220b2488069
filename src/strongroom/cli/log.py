"""`strongroom log`: read, prove, export, verify.

Trust  `verify` needs no server and asks none for a key: the log's key, and the witnesses that
       must have cosigned, come from the person who verifies.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from strongroom.base.errors import InputError, UpstreamError
from strongroom.cli.commands import command, group, in_session
from strongroom.cli.errors import DOES_NOT_HOLD, OK, CommandError
from strongroom.cli.log_files import (
    EXPORTED_WITNESSED,
    SERVED_WITNESSED,
    Published,
    ServerLog,
    reading,
)
from strongroom.cli.progress import progress
from strongroom.cli.receipts import Receipt
from strongroom.cli.render import Mark, cell, when
from strongroom.cli.session import Session
from strongroom.crypto.checkpoint import Checkpoint, LogProof
from strongroom.crypto.errors import CryptoError, NoteError
from strongroom.crypto.log_policy import LogPolicy
from strongroom.crypto.note import Note, VerifierKey

if TYPE_CHECKING:
    from strongroom.audit.log_source import LogSource
    from strongroom.cli.log_trust import Verified

log = group("log", "The log: read, prove, export, verify.")
entry_argument = click.argument("entry")
vkey_option = click.option(
    "--vkey", "vkeys", multiple=True, metavar="KEY", help="The log's key, as you were given it."
)


@contextmanager
def _trusting() -> Iterator[None]:
    """Turn what cannot be believed into an error of the command line."""
    try:
        yield
    except CryptoError as problem:
        raise CommandError(f"the log does not hold: {problem}", exit_code=DOES_NOT_HOLD) from None


def keys_of(vkeys: tuple[str, ...]) -> tuple[VerifierKey, ...]:
    """Read verifier keys as they are given."""
    try:
        return tuple(map(VerifierKey.parse, vkeys))
    except NoteError as problem:
        raise CommandError(f"--vkey: {problem}") from None


@command("tail")
@click.option("-n", "--lines", type=click.IntRange(0), default=20, help="How many; 20 if not said.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@in_session
def tail(session: Session, lines: int, follow: bool) -> None:
    """Show the latest entries."""
    source = ServerLog(session.client)
    with _trusting():
        published = Published.at_present(source)
        shown = max(0, published.size - lines)
        _print(session, published, shown)
        while follow:
            shown = published.size
            published = _grown(source, shown)
            source.reads = 0
            _print(session, published, shown)


def _grown(source: ServerLog, size: int) -> Published:
    """Wait until the log has more than what our own last reading of it added."""
    own = source.reads
    while True:
        time.sleep(1)
        published = Published.at_present(source)
        if published.size > size + own:
            return published


def _print(session: Session, published: Published, first: int) -> None:
    entries = published.entries(first)
    if session.output.as_json:
        for index, entry in entries:
            session.output.line(json.dumps({"index": index, "entry": json.loads(entry)}))
        return
    columns = ("index", "time", "what", "who", "where", "")
    empty = "the log is empty" if not published.size else f"none of {published.size} entries"
    session.output.table(columns, [_row(i, e) for i, e in entries], empty=empty)


def _row(index: int, entry: bytes) -> tuple[Any, ...]:
    try:
        found = json.loads(entry)
        own = found.get("unmapped") or {}
        actor = ((found.get("actor") or {}).get("user") or {}).get("uid") or own.get("actor")
        state = _state(found)
        what = (found.get("metadata") or {}).get("event_code")
    except (ValueError, AttributeError):
        return index, None, "not an event", None, None, None
    return index, when(own.get("time")), what, actor, own.get("path"), state


def _state(found: dict[str, Any]) -> str:
    if found.get("status_id") == 1:
        return cell(Mark.GOOD, "done")
    refused = found.get("status_code") in {"401", "403"}
    return cell(Mark.BAD, "refused" if refused else "failed")


@command("show")
@entry_argument
@vkey_option
@in_session
def show(session: Session, entry: str, vkeys: tuple[str, ...]) -> None:
    """Print one entry, after proving that it is in the log.

    ENTRY is an index, or the Audit-Receipt of an answer: then it must be the entry of that hash.
    """
    leaf, _ = _proven(session, Receipt.parse(entry), vkeys)
    session.output.json(json.loads(leaf))
    _say_trust(session, vkeys)


def _proven(session: Session, receipt: Receipt, vkeys: tuple[str, ...]) -> tuple[bytes, LogProof]:
    with _trusting():
        published = Published.at_present(ServerLog(session.client), keys_of(vkeys))
        leaf, found = published.proven(receipt.index)
        receipt.check(leaf)
    return leaf, found


def _say_trust(session: Session, vkeys: tuple[str, ...]) -> None:
    if not vkeys and not session.output.as_json:
        session.output.note("note: in the tree; whether the log signed it, only --vkey tells")


@command("proof")
@entry_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Into this file.")
@vkey_option
@in_session
def proof(session: Session, entry: str, output: Path | None, vkeys: tuple[str, ...]) -> None:
    """Print the proof that an entry is in the log, as C2SP's tlog-proof.

    ENTRY is an index, or the Audit-Receipt of an answer: then it must be the entry of that hash.
    """
    receipt = Receipt.parse(entry)
    _, found = _proven(session, receipt, vkeys)
    if output is None:
        session.output.raw(found.encode().decode(), newline=False)
    else:
        output.write_bytes(found.encode())
        session.output.done(f"the proof of entry {receipt.index} is in {output}")
    _say_trust(session, vkeys)


@command("checkpoint")
@vkey_option
@in_session
def checkpoint(session: Session, vkeys: tuple[str, ...]) -> None:
    """Print the latest checkpoint; keep it, and the log cannot go back behind it."""
    with _trusting():
        published = Published.at_present(ServerLog(session.client), keys_of(vkeys))
        signed_by = [line.name for line in Note.parse(published.note).signatures]
    found = {
        "origin": published.checkpoint.origin,
        "size": published.size,
        "root": published.checkpoint.root.hex(),
        "signed_by": signed_by,
        "note": published.note.decode(),
    }
    session.answer(found, lambda: session.output.raw(published.note.decode(), newline=False))


@command("export")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@in_session
def export(session: Session, directory: Path) -> None:
    """Copy the log to DIRECTORY: tiles, bundles, and the checkpoint last.

    The newest checkpoint that witnesses have cosigned is `checkpoint.witnessed` beside it. Files
    that are there already are kept, so that a later export adds what is new.
    """
    source = ServerLog(session.client)
    with _trusting():
        witnessed = source.read(SERVED_WITNESSED)  # first: the log goes on from there
        published = Published.at_present(source)
    paths = list(published.files())
    with progress(session, "exporting") as tell:
        for done, path in enumerate(paths, start=1):
            target = directory / str(path)
            if not target.exists():
                _store(target, published.fetch(path))
            tell(done, len(paths))
    if witnessed is not None:
        _store(directory / EXPORTED_WITNESSED, witnessed)
    _store(directory / "checkpoint", published.note)
    found = {"directory": str(directory), "size": published.size, "files": len(paths) + 1}
    seen = None if witnessed is None else Checkpoint.parse(Note.parse(witnessed).text).size
    more = "" if seen is None else f", of which witnesses have cosigned {seen}"
    told = f"{published.size} entries exported to {directory}{more}"
    session.answer(found | {"witnessed": seen}, lambda: session.output.done(told))


def _store(target: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.part")
    unfinished.write_bytes(data)
    unfinished.replace(target)


@command("verify")
@click.argument("source")
@vkey_option
@click.option("--policy", type=click.Path(path_type=Path), help="Logs, witnesses and a quorum.")
@click.option(
    "--old-checkpoint",
    "kept",
    multiple=True,
    type=click.Path(path_type=Path),
    help="One kept from earlier, which the log must contain; may be repeated.",
)
@in_session
def verify(
    session: Session,
    source: str,
    vkeys: tuple[str, ...],
    policy: Path | None,
    kept: tuple[Path, ...],
) -> int:
    """Verify a whole log, in a directory or at an address (https://HOST:PORT/log).

    Every entry, every tile, the root and the signatures. The key comes from you: one that the
    audited server hands out proves nothing. With --policy, its quorum must have cosigned the
    checkpoint, or an earlier one that the log still contains. Exit status 0 if all holds, 3 if not.
    """
    from strongroom.cli.log_trust import verify_log  # noqa: PLC0415  here alone

    if not vkeys and policy is None:
        raise CommandError(
            "a key of the log is needed, from elsewhere than the server that is verified",
            "give --vkey KEY or --policy FILE; a server that you trust says its own with"
            " `strongroom read --field key strongroom/log/status`",
        )
    try:
        trust = None if policy is None else LogPolicy.parse(policy.read_bytes())
        notes = [path.read_bytes() for path in kept]
        with _source(session, source) as files, progress(session, "verifying") as tell:
            verified = verify_log(files, keys_of(vkeys), trust, notes, tell)
    except (InputError, UpstreamError, CryptoError) as problem:
        raise CommandError(str(problem)) from None
    session.answer(_as_data(verified), lambda: _show(session, source, verified))
    return DOES_NOT_HOLD if verified.report.faults else OK


@contextmanager
def _source(session: Session, where: str) -> Iterator[LogSource]:
    """Give a source; entries on the server that we speak to are asked for with our token."""
    here, there = urlsplit(session.address), urlsplit(where)
    if "://" in where and (here.scheme, here.netloc) == (there.scheme, there.netloc):
        yield ServerLog(session.client, there.path.removeprefix(here.path).rstrip("/"))
        return
    ca_file = session.setting("ca_cert")
    with reading(where, Path(ca_file) if ca_file else None) as source:
        yield source


def _as_data(verified: Verified) -> dict[str, Any]:
    report, cosigned = verified.report, verified.cosigned
    opened = report.checkpoint
    return {
        "sound": not report.faults,
        "entries": report.entries,
        "cut_short": report.cut_short,
        "origin": opened.checkpoint.origin if opened else None,
        "size": opened.checkpoint.size if opened else None,
        "root": opened.checkpoint.root.hex() if opened else None,
        "signed_by": [str(one.key) for one in opened.signed_by] if opened else [],
        "witnessed": {
            "size": cosigned.checkpoint.size,
            "root": cosigned.checkpoint.root.hex(),
            "signed_by": [str(one.key) for one in cosigned.signed_by],
        }
        if cosigned
        else None,
        "faults": [
            {"kind": f.kind, "path": f.path, "index": f.index, "problem": f.problem}
            for f in report.faults
        ],
    }


def _show(session: Session, source: str, verified: Verified) -> None:
    found, report = _as_data(verified), verified.report
    if report.faults:
        many = "one fault" if len(report.faults) == 1 else f"{len(report.faults)} faults"
        word = session.output.state(Mark.BAD, f"the log does not hold: {many}")
    else:
        word = session.output.state(Mark.GOOD, "every entry is as it was signed")
    session.output.line(f"{word}   {session.output.dim(source)}")
    session.output.line()
    signed = [one.key.name for one in report.checkpoint.signed_by] if report.checkpoint else []
    rows = {name: found[name] for name in ("origin", "size", "entries", "root") if found[name]}
    rows |= {"signed by": signed} if signed else {}
    session.output.fields({**rows, **_witnessed(verified)})
    if report.faults:
        session.output.line()
        faults = [(f.kind, f.index, f.path, f.problem) for f in report.faults]
        session.output.table(("fault", "from entry", "file", "problem"), faults)
    if report.cut_short:
        session.output.note("note: reading stopped there; there may be more")


def _witnessed(verified: Verified) -> dict[str, Any]:
    """Return up to where witnesses vouch, and who; nothing where the policy asks for none."""
    if verified.cosigned is None:
        return {}
    names = [one.key.name for one in verified.cosigned.signed_by if one.time is not None]
    size = verified.cosigned.checkpoint.size
    return {"witnessed": f"the first {size}, by {', '.join(names)}"} if names else {}


for _each in (tail, show, proof, checkpoint, export, verify):
    log.add_command(_each)
