"""The second factor of a login: asked for, and shown, until there is a token.

Vault  `mfa_requirement` of a login, and `sys/mfa/validate`. One code is asked for each demand that
       no method which was answered before meets.
Trust  A code is typed without an echo, or piped in, and kept nowhere. A key needs a browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strongroom.cli import prompt
from strongroom.cli.errors import CommandError
from strongroom.cli.session import Session


def show(session: Session, requirement: Mapping[str, Any]) -> dict[str, Any]:
    """Return the login with its token. Raises CommandError where only a browser could answer."""
    payload: dict[str, list[str]] = {}
    for name, constraint in sorted((requirement.get("mfa_constraints") or {}).items()):
        ways = constraint.get("any") or []
        if any(way.get("id") in payload for way in ways):
            continue
        typed = [way for way in ways if way.get("uses_passcode")]
        if not typed:
            raise CommandError(f"{name} asks for a security key or passkey", "use the console")
        kinds = " or ".join(sorted({_called(way) for way in typed}))
        code = prompt.hidden(f"Code ({kinds})")
        payload[_chosen(typed, code)] = [code]
    given = {"mfa_request_id": requirement.get("mfa_request_id"), "mfa_payload": payload}
    reply: dict[str, Any] = session.anonymous.post("sys/mfa/validate", given)
    return reply


def _chosen(ways: list[Any], code: str) -> str:
    """Return the method that a code is for: long ones are recovery codes, where those are asked."""
    long = len(code) > 8
    recovery = [way for way in ways if (way.get("type") == "recovery") is long]
    return str((recovery or ways)[0]["id"])


def _called(way: Mapping[str, Any]) -> str:
    return str(way.get("name") or {"totp": "app"}.get(way.get("type", ""), way.get("type")))
