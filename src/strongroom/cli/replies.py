"""How the generic replies of Vault's API are shown: data, logins, wrapped answers, warnings."""

from __future__ import annotations

from typing import Any

from strongroom.cli.client import printable
from strongroom.cli.errors import CommandError
from strongroom.cli.render import how_long
from strongroom.cli.session import Session


def show(session: Session, reply: Any, field: str | None = None) -> None:
    """Print a reply whole, or one field of it by itself."""
    warn(session, reply)
    if field is not None:
        session.output.raw(pick(_flat(reply), field))
    else:
        session.answer(reply, lambda: session.output.fields(_flat(reply), indent=0))


def warn(session: Session, reply: Any) -> None:
    """Repeat the server's warnings, unless a program reads them in the reply."""
    if isinstance(reply, dict) and not session.output.as_json:
        for warning in reply.get("warnings") or ():
            session.output.note(f"note: {printable(str(warning))}")


def pick(values: dict[str, Any], field: str) -> Any:
    """Return a field, or say which there are."""
    if field not in values:
        raise CommandError(
            "there is no such field", f"there are {', '.join(values)}" if values else ""
        )
    return values[field]


def _flat(reply: Any) -> dict[str, Any]:
    """Return what is worth showing of a reply, as Vault's CLI names it."""
    if not isinstance(reply, dict):
        return {}
    if reply.get("wrap_info"):
        return _wrapping(reply["wrap_info"])
    if reply.get("auth"):
        return login_fields(reply["auth"])
    lease = {name: reply[name] for name in ("lease_id", "lease_duration") if reply.get(name)}
    if not reply.get("lease_id"):
        lease = {}
    data = reply.get("data", reply)
    return {**lease, **(data if isinstance(data, dict) else {})}


def _wrapping(info: dict[str, Any]) -> dict[str, Any]:
    return {
        "wrapping_token": info.get("token"),
        "wrapping_accessor": info.get("accessor"),
        "wrapping_token_ttl": how_long(info.get("ttl")),
        "wrapping_token_creation_path": info.get("creation_path"),
    }


def login_fields(auth: dict[str, Any]) -> dict[str, Any]:
    """Return a login's token and what comes with it."""
    names = {"client_token": "token", "accessor": "token_accessor"}
    shown = {label: auth.get(name) for name, label in names.items()}
    shown["token_duration"] = (
        how_long(auth.get("lease_duration")) if (auth.get("lease_duration")) else "does not expire"
    )
    shown["token_renewable"] = auth.get("renewable")
    shown["token_policies"] = auth.get("token_policies") or auth.get("policies")
    if auth.get("identity_policies"):
        shown["identity_policies"] = auth["identity_policies"]
    for name, value in (auth.get("metadata") or {}).items():
        shown[f"token_meta_{name}"] = value
    return shown
