"""`strongroom witness`: watch that a log keeps its history, and say so with a signature.

Trust  A witness is of use where its operator is not the log's. Run it on another machine, under
       another person's hand.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import click

from strongroom.audit.log_source import LogSource
from strongroom.audit.witness_state import Head, Submission, answer
from strongroom.base.errors import InputError, UpstreamError
from strongroom.base.secret import Secret
from strongroom.cli.commands import group, in_session, offline
from strongroom.cli.errors import DOES_NOT_HOLD, CommandError
from strongroom.cli.log import keys_of
from strongroom.cli.log_files import Published, reading
from strongroom.cli.session import Session
from strongroom.cli.witness_files import StateFile, held, read_key, write_key
from strongroom.cli.witness_server import Witness, http_server
from strongroom.crypto.checkpoint import add_signatures
from strongroom.crypto.errors import CryptoError
from strongroom.crypto.note import NoteSignature, SignatureType, SigningKey

witness = group("witness", "Watch that a log keeps its history.")
key_option = click.option(
    "--key", "key_file", required=True, type=click.Path(path_type=Path), help="The witness's key."
)
state_option = click.option(
    "--state", required=True, type=click.Path(path_type=Path), help="What the witness remembers."
)


@offline("keygen")
@click.argument("name")
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path), help="New file.")
@in_session
def keygen(session: Session, name: str, key_file: Path) -> None:
    """Make the key of a witness called NAME, and print what others verify it by."""
    try:
        vkey = write_key(key_file, name, Secret(secrets.token_bytes(32)))
    except CryptoError as problem:
        raise CommandError(str(problem)) from None
    session.answer({"vkey": str(vkey)}, lambda: session.output.line(str(vkey)))


@offline("add")
@click.option("--log-vkey", required=True, multiple=True, metavar="KEY", help="May be repeated.")
@state_option
@in_session
def add(session: Session, log_vkey: tuple[str, ...], state: Path) -> None:
    """Watch a log, whose key you have from its operator."""
    with held(state) as file:
        for key in keys_of(log_vkey):
            file.store(file.memory.with_log(key))
            session.output.done(f"watching {key.name}")


@offline("list")
@state_option
@in_session
def list_logs(session: Session, state: Path) -> None:
    """List the logs that are watched, and how far each was seen."""
    with held(state) as file:
        memory = file.memory
    rows = [
        (origin, memory.heads[origin].size if origin in memory.heads else 0, len(keys))
        for origin, keys in memory.logs.items()
    ]
    found = [{"origin": origin, "size": size, "keys": keys} for origin, size, keys in rows]
    columns = ("log", "seen up to", "keys")
    session.answer(found, lambda: session.output.table(columns, rows, empty="no log is watched"))


@offline("serve")
@key_option
@state_option
@click.option("--listen", default="127.0.0.1:8880", show_default=True, metavar="HOST:PORT")
@in_session
def serve(session: Session, key_file: Path, state: Path, listen: str) -> None:
    """Answer logs that ask for a cosignature, as C2SP's tlog-witness; until interrupted."""
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise CommandError("--listen is not of the form HOST:PORT")
    key = read_key(key_file)
    with held(state) as file:
        judge = Witness(file, key, lambda: int(time.time()), session.output.note)
        with http_server(host.strip("[]"), int(port), judge) as server:
            shown = key.verifier(SignatureType.COSIGNATURE)
            address = f"http://{host}:{server.server_address[1]}"
            session.output.line(f"{shown}\nlistening on {address}/add-checkpoint", flush=True)
            try:
                server.serve_forever(poll_interval=0.2)
            except KeyboardInterrupt:
                session.output.note("stopped")


@offline("pull")
@click.argument("url")
@key_option
@state_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The cosigned checkpoint.")
@click.option(
    "--ca-cert",
    type=click.Path(path_type=Path),
    help="For an https:// log; else STRONGROOM_CACERT, as elsewhere.",
)
@in_session
def pull(  # noqa: PLR0913, PLR0917  one for each option
    session: Session,
    url: str,
    key_file: Path,
    state: Path,
    output: Path | None,
    ca_cert: Path | None,
) -> None:
    """Fetch a log's checkpoint, prove that its history was kept, and cosign it.

    URL is the log's address or a directory. Exit status 3 if the history was not kept.
    """
    key = read_key(key_file)
    if ca_cert is None and (named := session.setting("ca_cert")):
        ca_cert = Path(named)
    with held(state) as file:
        try:
            with reading(url, ca_cert) as source:
                note, size = cosigned(source, file, key, int(time.time()))
        except (InputError, UpstreamError) as problem:
            raise CommandError(str(problem)) from None
        except CryptoError as problem:
            raise CommandError(f"{url}: {problem}", exit_code=DOES_NOT_HOLD) from None
    if output is None:
        session.output.raw(note.decode(), newline=False)
    else:
        output.write_bytes(note)
        session.output.done(f"cosigned at {size}; the checkpoint is in {output}")


def cosigned(source: LogSource, file: StateFile, key: SigningKey, now: int) -> tuple[bytes, int]:
    """Return a log's checkpoint with our signature, and its size; the state is on disk by then.

    Raises `CryptoError` for a checkpoint that no known key signed or whose history was not kept.
    """
    published = Published.at_present(source)
    checkpoint = published.checkpoint
    if checkpoint.origin not in file.memory.logs:
        raise CommandError("this log is not watched", "add it with `witness add --log-vkey`")
    head = file.memory.heads.get(checkpoint.origin)
    submission = Submission(
        old=head.size if head else 0,
        proof=_proof(published, head),
        checkpoint=checkpoint,
        note=published.note,
    )
    given = answer(submission, head, logs=file.memory.logs, key=key, now=now)
    if given.head is None:
        said = given.body.decode("utf-8", "replace").strip()
        raise CommandError(
            f"not cosigned, {given.refusal}: {said}",
            "keep this checkpoint; it may be the proof of another history",
            exit_code=DOES_NOT_HOLD,
        )
    file.store(file.memory.with_head(given.head))
    line = NoteSignature.parse(given.body.decode().removesuffix("\n"))
    return add_signatures(published.note, [line]), checkpoint.size


def _proof(published: Published, head: Head | None) -> tuple[bytes, ...]:
    if head is None or not head.size or head.size == published.size:
        return ()
    return published.consistency(head.size)


for _each in (keygen, add, list_logs, serve, pull):
    witness.add_command(_each)
