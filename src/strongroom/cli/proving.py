"""Showing a factor that is there already: a code that is typed, or a security key in a browser.

Trust  A code is typed without an echo, or piped in, and kept nowhere. Who has both chooses on a
       terminal; a pipe brings a code. What a person has is asked of the server, which judges all.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from strongroom.cli import prompt
from strongroom.cli.errors import RefusedError
from strongroom.cli.session import Session

if TYPE_CHECKING:
    from strongroom.cli.client import Client

AREA = "strongroom/factors"
CODE = "Code of your app, or a recovery code"
OR_KEY = "; or Enter for your security key"


def factors(client: Client) -> dict[str, Any]:
    """Return one's own factors by id."""
    found: dict[str, Any] = _listed(client).get("key_info") or {}
    return found


def waits_for_approval(client: Client) -> bool:
    """Say whether one enrols only by the code of an approval, or a factor of before."""
    return bool(_listed(client).get("enrolment_code_needed"))


def _listed(client: Client) -> dict[str, Any]:
    reply = client.send("LIST", AREA, accepted=frozenset({404}), wrapped=False)
    found: dict[str, Any] = (reply.data or {}).get("data") or {}
    return found


def proof(session: Session, client: Client, *, purpose: str, said: str = "") -> dict[str, Any]:
    """Return the part of a request that shows a factor, asking whoever sits at the terminal.

    Whose factors cannot be listed is asked for a code.
    """
    try:
        kinds = {each["kind"] for each in factors(client).values() if not each["disabled"]}
    except RefusedError:
        kinds = set()
    if "webauthn" not in kinds:
        return {"code": prompt.hidden(f"{said}{CODE}")}
    if kinds != {"webauthn"}:
        choosing = sys.stdin.isatty()
        code = prompt.hidden(f"{said}{CODE}{OR_KEY if choosing else ''}", optional=choosing)
        if code:
            return {"code": code}
    return _by_key(session, client, purpose)


def _by_key(session: Session, client: Client, purpose: str) -> dict[str, Any]:
    from strongroom.cli import security_key  # noqa: PLC0415  most who show a factor type a code

    security_key.check_terminal()
    reply = client.send("POST", f"{AREA}/challenge", {}, wrapped=False).data
    asked = (reply or {}).get("data") or {}
    answer = security_key.answered(session, asked, purpose=purpose, who=_name(client))
    return {"challenge_id": asked.get("challenge_id"), "answer": security_key.decoded(answer)}


def _name(client: Client) -> str:
    """Return what the token is called; nothing where it may not ask."""
    try:
        reply = client.send("GET", "auth/token/lookup-self", wrapped=False).data
    except RefusedError:
        return ""
    return str(((reply or {}).get("data") or {}).get("display_name") or "")
