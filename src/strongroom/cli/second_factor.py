"""The second factor of a login: asked for, and shown, until there is a token.

Vault  `mfa_requirement` of a login, and `sys/mfa/validate`. One code is asked for each demand that
       no method which was answered before meets.
Trust  A code is typed without an echo, or piped in, and kept nowhere. A key is asked in a browser
       (`cli.security_key`), once, whatever it meets; where a code does as well, Enter asks the key.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from strongroom.cli import prompt
from strongroom.cli.errors import CommandError
from strongroom.cli.proving import OR_KEY
from strongroom.cli.session import Session


def show(session: Session, requirement: Mapping[str, Any], who: str = "") -> dict[str, Any]:
    """Return the login with its token. `who` is what they called themselves.

    Raises CommandError for a demand that nothing can be shown for from here.
    """
    payload: dict[str, list[str]] = {}
    signed = ""
    for name, constraint in sorted((requirement.get("mfa_constraints") or {}).items()):
        ways = constraint.get("any") or []
        if any(way.get("id") in payload for way in ways):
            continue
        typed = [way for way in ways if way.get("uses_passcode")]
        key = next((way for way in ways if way.get("options")), None)
        code = _typed(typed, or_key=key is not None) if typed else ""
        if code:
            payload[_chosen(typed, code)] = [code]
        elif key is None:
            raise CommandError(
                f"{name} asks for a security key or passkey, and none is there to ask",
                "see the console",
            )
        else:
            signed = signed or _signed(session, key, who)
            payload[str(key["id"])] = [signed]
    given = {"mfa_request_id": requirement.get("mfa_request_id"), "mfa_payload": payload}
    reply: dict[str, Any] = session.anonymous.post("sys/mfa/validate", given)
    return reply


def _typed(ways: list[Any], *, or_key: bool) -> str:
    """Return the code that is typed or piped in; empty where the key is chosen instead."""
    kinds = " or ".join(sorted({_called(way) for way in ways}))
    choosing = or_key and sys.stdin.isatty()
    return prompt.hidden(f"Code ({kinds}){OR_KEY if choosing else ''}", optional=choosing)


def _signed(session: Session, key: Mapping[str, Any], who: str) -> str:
    from strongroom.cli import security_key  # noqa: PLC0415  most logins ask no key

    return security_key.answered(session, key, purpose=security_key.LOG_IN, who=who)


def _chosen(ways: list[Any], code: str) -> str:
    """Return the method that a code is for: long ones are recovery codes, where those are asked."""
    long = len(code) > 8
    recovery = [way for way in ways if (way.get("type") == "recovery") is long]
    return str((recovery or ways)[0]["id"])


def _called(way: Mapping[str, Any]) -> str:
    return str(way.get("name") or {"totp": "app"}.get(way.get("type", ""), way.get("type")))
