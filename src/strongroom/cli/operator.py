"""`strongroom operator`: ceremonies over the keys of a server.

Vault  A newer OpenBao has the ceremonies at other paths, where they need a token; they are asked
       for there once Vault's are not served.
Trust  Key shares are typed without an echo. A new root token and new key shares are shown once.
       New key shares count only once enough of them were given back (`--verify`), unless somebody
       says `--at-once`: an answer that never arrived would leave nobody with a share that opens.
       The one-time password that hides a new root token is made by the server and stays here.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import click

from strongroom.cli import prompt, seal
from strongroom.cli.commands import command, group, in_session
from strongroom.cli.errors import CommandError
from strongroom.cli.render import Mark, when
from strongroom.cli.session import Session

REKEY = ("sys/rekey", "sys/rotate/root")
GENERATE_ROOT = ("sys/generate-root", "sys/generate-root-token")
_NOT_SERVED = frozenset({404, 405})

operator = group("operator", "Ceremonies over the keys of a server.")


@command("rotate")
@in_session
def rotate(session: Session) -> None:
    """Begin a new term of the key that encrypts storage; earlier terms only decrypt."""
    session.client.post("sys/rotate")
    key_status_of(session)


@command("key-status")
@in_session
def key_status(session: Session) -> None:
    """Show the term of the key that encrypts storage."""
    key_status_of(session)


def key_status_of(session: Session) -> None:
    """Print the key's term, since when, and how often it was used."""
    reply = session.client.get("sys/key-status")
    found = reply.get("data") or reply
    rows = {
        "term": found.get("term"),
        "since": when(found.get("install_time")),
        "encryptions": found.get("encryptions"),
    }
    session.answer(found, lambda: session.output.fields(rows, indent=0))


@command("rekey")
@click.option("--init", "begin", is_flag=True, help="Begin; then each share is given in turn.")
@click.option("--shares", "--key-shares", type=click.IntRange(1, 255), default=5)
@click.option("--threshold", "--key-threshold", type=click.IntRange(1, 255), default=3)
@click.option(
    "--at-once",
    is_flag=True,
    help="The new shares count before anybody shows one; say it with --init and each share.",
)
@click.option("--verify", is_flag=True, help="Give a new share, to prove that it arrived.")
@click.option("--cancel", is_flag=True, help="Stop, and forget the shares given.")
@click.option("--status", "ask", is_flag=True, help="Show how far it is.")
@click.option("--nonce", metavar="NONCE", help="Which attempt this share is for.")
@in_session
def rekey(  # noqa: PLR0913, PLR0917  one for each option
    session: Session,
    begin: bool,
    shares: int,
    threshold: int,
    at_once: bool,
    verify: bool,
    cancel: bool,
    ask: bool,
    nonce: str | None,
) -> None:
    """Make new key shares; the old ones end.

    Begin with --init; then each holder of an old share runs `operator rekey`, and each of a new
    one `operator rekey --verify`. Until enough have, the old shares open the server.
    """
    if cancel:
        _cancel(session, REKEY, "init")
        session.output.done("rekeying cancelled")
    elif begin:
        body = {
            "secret_shares": shares,
            "secret_threshold": threshold,
            "require_verification": not at_once,
        }
        _progress(session, _ask(session, "PUT", REKEY, "init", body))
    elif ask:
        _progress(session, _ask(session, "GET", REKEY, "verify" if verify else "init"))
    elif verify:
        _verify_share(session, nonce)
    else:
        _rekey_share(session, nonce, at_once=at_once)


def _ask(
    session: Session, method: str, places: tuple[str, str], step: str, body: object = None
) -> dict[str, Any]:
    """Take one step of a ceremony, at the first place that serves it."""
    first, second = (f"{place}/{step}" for place in places)
    reply = session.client.send(method, first, body, accepted=_NOT_SERVED)
    if reply.status in _NOT_SERVED:
        reply = session.client.send(method, second, body)
    found = reply.data or {}
    return dict(found.get("data") or found)


def _cancel(session: Session, places: tuple[str, str], step: str) -> None:
    """Give a ceremony up, by one's token; without one, by a share."""
    share = None if session.token else {"key": prompt.hidden("Key share")}
    _ask(session, "DELETE", places, step, share)


def _rekey_share(session: Session, nonce: str | None, *, at_once: bool) -> None:
    """Give a share; to shares that count unproven only who says so: anybody may have begun it."""
    under_way = _ask(session, "GET", REKEY, "init")
    nonce = nonce or _running(under_way)
    session.output.note(_planned(under_way))
    if not under_way.get("verification_required") and not at_once:
        raise CommandError(
            "the new shares of this attempt count at once: if they get lost, nothing opens",
            "cancel it (--cancel) and begin anew (--init), or say --at-once",
        )
    share = prompt.hidden("Key share")
    found = _ask(session, "PUT", REKEY, "update", {"key": share, "nonce": nonce})
    if not found.get("complete"):
        _progress(session, found)
        return
    named = {f"key share {n}": one for n, one in enumerate(found["keys_base64"], start=1)}
    session.answer(found, lambda: session.output.fields(named, indent=0))
    if found.get("verification_required"):
        session.output.note(
            "\nNothing keeps these shares, and they do not count yet: the old ones do. Hand them\n"
            "out; then each holder runs `strongroom operator rekey --verify`."
        )
    else:
        session.output.note("\nThe old shares are of no use any more. Nothing keeps the new ones.")


def _verify_share(session: Session, nonce: str | None) -> None:
    nonce = nonce or _running(_ask(session, "GET", REKEY, "verify"))
    share = prompt.hidden("New key share")
    found = _ask(session, "PUT", REKEY, "verify", {"key": share, "nonce": nonce})
    if not found.get("complete"):
        _progress(session, _ask(session, "GET", REKEY, "verify"))
        return
    session.answer(found, lambda: session.output.done("the new shares count; the old ones ended"))


def _running(found: dict[str, Any]) -> str:
    if not found.get("started"):
        raise CommandError("nothing is under way", "begin with --init")
    return str(found["nonce"])


def _progress(session: Session, found: dict[str, Any]) -> None:
    session.answer(found, lambda: _show_progress(session, found))


def _show_progress(session: Session, found: dict[str, Any]) -> None:
    if not found.get("started"):
        session.output.line(session.output.state(Mark.OFF, "nothing is under way"))
        return
    if found.get("verification_nonce"):
        waits = "new shares are made, and not proven yet: give them with --verify"
        session.output.line(session.output.state(Mark.PART, waits))
        return
    needed = found["required"] if "required" in found else found.get("t")
    given = f"{found.get('progress', 0)} of {needed} shares given"
    session.output.line(f"{session.output.state(Mark.PART, given)}   nonce {found['nonce']}")
    if "verification_required" in found:
        session.output.line(f"  {_planned(found)}")


def _planned(found: dict[str, Any]) -> str:
    counts = "once enough were given back" if found.get("verification_required") else "at once"
    return f"{found.get('n')} new shares, {found.get('t')} of them needed, which count {counts}"


@command("generate-root")
@click.option("--init", "begin", is_flag=True, help="Begin; then each share is given in turn.")
@click.option("--cancel", is_flag=True, help="Stop, and forget the shares given.")
@click.option("--status", "ask", is_flag=True, help="Show how far it is.")
@click.option("--nonce", metavar="NONCE", help="Which attempt this share is for.")
@click.option("--decode", metavar="TEXT", help="Decode the token that the last share gave.")
@click.option("--otp", metavar="OTP", help="What --init showed, for --decode.")
@in_session
def generate_root(  # noqa: PLR0913, PLR0917  one for each option
    session: Session,
    begin: bool,
    cancel: bool,
    ask: bool,
    nonce: str | None,
    decode: str | None,
    otp: str | None,
) -> None:
    """Make a new root token with a quorum of key shares.

    Begin with --init, which shows a one-time password; then each holder of a share runs
    `operator generate-root`; then --decode with the password gives the token.
    """
    if decode is not None:
        session.output.raw(decoded(decode, otp or prompt.hidden("One-time password")), newline=True)
    elif cancel:
        _cancel(session, GENERATE_ROOT, "attempt")
        session.output.done("cancelled")
    elif begin:
        found = _ask(session, "PUT", GENERATE_ROOT, "attempt", {})
        session.answer(found, lambda: _show_begin(session, found))
    elif ask:
        _progress(session, _ask(session, "GET", GENERATE_ROOT, "attempt"))
    else:
        _root_share(session, nonce or _running(_ask(session, "GET", GENERATE_ROOT, "attempt")))


def _show_begin(session: Session, found: dict[str, Any]) -> None:
    shown = {"nonce": found["nonce"], "one-time password": found["otp"]}
    session.output.fields({**shown, "shares needed": found["required"]}, indent=0)


def _root_share(session: Session, nonce: str) -> None:
    share = prompt.hidden("Key share")
    found = _ask(session, "PUT", GENERATE_ROOT, "update", {"key": share, "nonce": nonce})
    if found.get("complete"):
        encoded = found.get("encoded_token") or found.get("encoded_root_token")
        shown = {"encoded token": encoded}
        session.answer(found, lambda: session.output.fields(shown, indent=0))
    else:
        _progress(session, found)


def decoded(encoded: str, otp: str) -> str:
    """Return the root token under a one-time password; `CommandError` if they do not fit."""
    try:
        hidden = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        hidden = b""
    key = otp.encode()
    if not hidden or len(hidden) != len(key):
        raise CommandError("the encoded token and the one-time password do not fit together")
    try:
        token = bytes(a ^ b for a, b in zip(hidden, key, strict=True)).decode("ascii")
    except UnicodeDecodeError:
        token = ""
    if not token.isprintable() or not token:
        raise CommandError("the encoded token and the one-time password do not fit together")
    return token


for _each in (rotate, key_status, rekey, generate_root, seal.init, seal.unseal, seal.seal):
    operator.add_command(_each)
