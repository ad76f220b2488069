"""`strongroom plan` and `strongroom apply`: how a server is set up, as files in a directory.

    policies/NAME.hcl   or .json: a policy's text
    mounts.toml         [secret]   type = "kv-v2", description = "…"
    auth.toml           [approle]  type = "approle"
    environments.toml, approval-rules.toml, change-rules.toml, step-up-rules.toml,
    factor-rules.toml   [NAME]  as the path of each takes it
    roles.toml          ["approle/role/ci"]  any path below auth/, as it takes it
    settings.toml       ["strongroom/sessions/limits"]  any path, as it takes it

Each may be JSON instead (mounts.json). What a directory has no file for is left alone; of what it
has one for, whatever else is on the server is drift: it is told, and deleted with --prune alone.

Exact   A field that a read does not show (a password) cannot be compared, and is not written again.
Exits   With 3 where something differs: 2 says that the server refused, as everywhere.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from strongroom.base.duration import parse_duration
from strongroom.base.errors import InputError
from strongroom.cli import prompt
from strongroom.cli.change import AREA, applied
from strongroom.cli.commands import command, in_session, yes_option
from strongroom.cli.errors import DOES_NOT_HOLD, OK, CommandError, RefusedError
from strongroom.cli.session import Session

MOST_WRITES: Final = 16  # of one change
TABLES: Final = {  # by file, in the order in which they are applied
    "environments": "strongroom/environments/",
    "roles": "auth/",
    "approval-rules": "strongroom/approval-rules/",
    "step-up-rules": "strongroom/step-up/rules/",
    "factor-rules": "strongroom/factors/rules/",
    "settings": "",
    "change-rules": "strongroom/change-rules/",
}
LISTED: Final = ("environments", "approval-rules", "step-up-rules", "factor-rules", "change-rules")
FIXED_POLICIES: Final = frozenset({"root", "default", "response-wrapping", "enrol-factors"})
FIXED_MOUNTS: Final = frozenset({"sys/", "cubbyhole/", "identity/", "strongroom/", "token/"})
TUNED: Final = ("description", "options", "default_lease_ttl", "max_lease_ttl")
NOTHING: Final = frozenset({400, 404})


@dataclass(frozen=True, kw_only=True)
class Step:
    """One write that is missing. `fields` say what differs; none: it is not there at all."""

    path: str
    operation: str
    body: dict[str, Any]
    fields: tuple[str, ...] = ()

    @property
    def sign(self) -> str:
        """How it is shown: `+` makes, `~` changes, `-` deletes."""
        if self.operation == "delete":
            return "-"
        return "~" if self.fields else "+"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would be done, and what is there that no file says."""

    steps: tuple[Step, ...]
    drift: tuple[str, ...]

    def plain(self) -> dict[str, object]:
        """Return it as plain data, without the bodies."""
        steps = [
            {"path": s.path, "operation": s.operation, "fields": list(s.fields), "sign": s.sign}
            for s in self.steps
        ]
        return {"steps": steps, "drift": list(self.drift), "differs": bool(steps or self.drift)}


@command("plan")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--prune", is_flag=True, help="Count what no file says as to be deleted.")
@in_session
def plan(session: Session, folder: Path, prune: bool) -> int:
    """Show what `apply` would change, and what is there that DIR does not say."""
    found = planned(session, folder, prune=prune)
    session.answer(found.plain(), lambda: _tell(session, found))
    return DOES_NOT_HOLD if found.steps or found.drift else OK


@command("apply")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--prune", is_flag=True, help="Delete what no file says.")
@click.option("--propose", is_flag=True, help="Propose it as a change, instead of writing.")
@click.option("--change", "id_", metavar="ID", help="Apply this approved change, then compare.")
@click.option("--reason", metavar="TEXT", help="Why, with --propose.")
@click.option("--ticket", metavar="TEXT", help="Where it is talked about, with --propose.")
@yes_option
@in_session
def apply(  # noqa: PLR0913 - how, each by its name
    session: Session,
    /,
    *,
    folder: Path,
    prune: bool,
    propose: bool,
    id_: str | None,
    reason: str | None,
    ticket: str | None,
    yes: bool,
) -> int:
    """Make the server as DIR says; doing it again changes nothing."""
    done = applied(session, id_) if id_ else []
    found = planned(session, folder, prune=prune)
    if propose:
        ids = _proposed(session, found, reason, ticket)
        session.answer({"changes": ids}, lambda: _say(session, "proposed as change", ids))
        return OK
    if not id_ and found.steps:
        if not session.output.as_json:
            _tell(session, found)
        prompt.agree("Apply it?", given=yes)
        done = [_write(session, each) for each in found.steps]
        found = planned(session, folder, prune=prune)
    told = {"applied": done, **found.plain()}
    session.answer(told, lambda: _done(session, done, found))
    return DOES_NOT_HOLD if found.steps else OK


def planned(session: Session, folder: Path, *, prune: bool) -> Plan:
    """Compare a directory with the server."""
    if not folder.is_dir():
        raise CommandError("there is no such directory")
    known = _known(folder)
    steps: list[Step] = []
    drift: list[str] = []
    for name in ("mounts", "auth"):
        if name in known:
            made, other = _mounts(session, name, known[name])
            steps += made
            drift += other
    if "policies" in known:
        steps += _missing(session, "sys/policies/acl/", known["policies"])
        names = set(session.client.list("sys/policies/acl")) - FIXED_POLICIES
        drift += [f"sys/policies/acl/{each}" for each in sorted(names - {*known["policies"]})]
    for name, prefix in TABLES.items():
        if name not in known:
            continue
        steps += _missing(session, prefix, known[name])
        drift += _drift(session, name, prefix, known[name])
    if prune:
        steps += [Step(path=each, operation="delete", body={}) for each in drift]
        drift = []
    return Plan(steps=tuple(steps), drift=tuple(drift))


# -- the directory


def _known(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what the files say: tables by the kind, and then by name."""
    found = {}
    for name in ("mounts", "auth", *TABLES):
        for path in (folder / f"{name}.toml", folder / f"{name}.json"):
            if path.is_file():
                found[name] = _table(path)
    policies = folder / "policies"
    if policies.is_dir():
        files = [each for each in sorted(policies.iterdir()) if each.suffix in {".hcl", ".json"}]
        found["policies"] = {each.stem.lower(): {"policy": _text(each)} for each in files}
    if not found:
        raise CommandError("the directory says nothing", "`strongroom plan --help` tells how")
    return found


def _table(path: Path) -> dict[str, dict[str, Any]]:
    text = _text(path)
    try:
        found = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError:
        raise CommandError(f"{path.name} cannot be read", "TOML or JSON: a table by name") from None
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise CommandError(f"{path.name} holds no tables by name")
    return {name.strip("/"): body for name, body in found.items()}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except ValueError:
        raise CommandError(f"{path.name} is no UTF-8") from None


# -- the server


def _missing(session: Session, prefix: str, wanted: Mapping[str, dict[str, Any]]) -> Iterator[Step]:
    """Give the writes that make what is wanted of what is there."""
    for name, body in wanted.items():
        path = f"{prefix}{name}"
        there = _there(session, path)
        if there is None:
            yield Step(path=path, operation="write", body=body)
            continue
        fields = _differing(body, there)
        if fields:
            yield Step(path=path, operation="write", body=body, fields=fields)


def _there(session: Session, path: str) -> dict[str, Any] | None:
    try:
        reply = session.client.get(path)
    except RefusedError as refused:
        if refused.status in NOTHING:
            return None
        raise
    data = (reply or {}).get("data")
    return data if isinstance(data, dict) else None


def _mounts(
    session: Session, name: str, wanted: Mapping[str, dict[str, Any]]
) -> tuple[list[Step], list[str]]:
    """Compare engines, or auth methods: a new one is mounted, one that is there is tuned."""
    table = session.client.get(f"sys/{name}")["data"]
    steps: list[Step] = []
    for path, body in wanted.items():
        there = table.get(f"{path}/")
        if there is None:
            steps.append(Step(path=f"sys/{name}/{path}", operation="write", body=body))
            continue
        if str(body.get("type", "")).partition("-v")[0] != there["type"]:
            raise CommandError(f"{path} is mounted, as another type", "unmount it by hand")
        tuned = {key: value for key, value in body.items() if key in TUNED}
        flat = {**there, **(there.get("config") or {})}
        fields = _differing(tuned, flat)
        if fields:
            at = f"sys/{name}/{path}/tune"
            steps.append(Step(path=at, operation="write", body=tuned, fields=fields))
    others = {each for each in table if each not in FIXED_MOUNTS} - {f"{each}/" for each in wanted}
    return steps, [f"sys/{name}/{each.strip('/')}" for each in sorted(others)]


def _drift(
    session: Session, name: str, prefix: str, wanted: Mapping[str, dict[str, Any]]
) -> list[str]:
    """Return what is there beside what is wanted, where there is a list of it."""
    if name in LISTED:
        reply = session.client.send("LIST", prefix.strip("/"), accepted=frozenset({404})).data
        data = (reply or {}).get("data") or {}
        info = data.get("key_info") or {}
        names = [n for n in data.get("keys") or () if not info.get(n, {}).get("built_in")]
        return [f"{prefix}{each}" for each in sorted(names) if each not in wanted]
    if name != "roles":
        return []
    found: list[str] = []
    for parent in dict.fromkeys(each.rpartition("/")[0] for each in wanted if "/" in each):
        try:
            names = session.client.list(f"auth/{parent}")
        except RefusedError:
            continue  # there is no list of these, or the mount is not there yet
        found += [f"auth/{parent}/{n}" for n in names if f"{parent}/{n}" not in wanted]
    return found


def _differing(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that are shown, and are not as they should be."""
    return tuple(n for n, v in wanted.items() if n in there and not _same(v, there[n]))


def _same(wanted: Any, there: Any) -> bool:
    if wanted == there:
        return True
    if isinstance(there, Mapping) and isinstance(wanted, Mapping):
        return all(name in there and _same(v, there[name]) for name, v in wanted.items())
    if isinstance(there, list):
        parts = wanted.split(",") if isinstance(wanted, str) else wanted
        if not isinstance(parts, list) or len(parts) != len(there):
            return False
        return all(_same(a, b) for a, b in zip(parts, there, strict=True)) or (
            sorted(map(str, parts)) == sorted(map(str, there))
        )
    if isinstance(there, str) and isinstance(wanted, str):
        return wanted.strip() == there.strip()
    if isinstance(there, int) and not isinstance(there, bool) and isinstance(wanted, str):
        try:
            return int(parse_duration(wanted, "").total_seconds()) == there
        except InputError:
            return False
    return not wanted and not there


# -- doing it


def _write(session: Session, step: Step) -> str:
    try:
        if step.operation == "delete":
            session.client.delete(step.path)
        else:
            session.client.post(step.path, step.body)
    except RefusedError as refused:
        if "needs an approved change" in str(refused):
            raise CommandError(refused.problem, "propose it: apply DIR --propose", 2) from None
        raise
    return f"{step.operation} {step.path}"


def _proposed(session: Session, found: Plan, reason: str | None, ticket: str | None) -> list[str]:
    """Propose what is missing, as many changes as it takes; return their ids."""
    if not reason:
        raise CommandError("nobody knows why", "say it: --reason")
    ids: list[str] = []
    for at in range(0, len(found.steps), MOST_WRITES):
        writes = [
            {"path": s.path, "operation": s.operation, **({"body": s.body} if s.body else {})}
            for s in found.steps[at : at + MOST_WRITES]
        ]
        body = {"reason": reason, "ticket": ticket or "", "writes": writes}
        ids.append(str(session.client.post(AREA, body)["data"]["id"]))
    return ids


def _tell(session: Session, found: Plan) -> None:
    out = session.output
    for step in found.steps:
        what = f" ({', '.join(step.fields)})" if step.fields else ""
        out.line(out.safe(f"{step.sign} {step.path}{what}"))
    for each in found.drift:
        out.line(out.safe(f"? {each} (on the server, and in no file)"))
    if not (found.steps or found.drift):
        out.done("nothing differs")


def _done(session: Session, done: list[str], found: Plan) -> None:
    for each in done:
        session.output.note(session.output.safe(each))
    if found.steps:
        _tell(session, found)
    else:
        session.output.done(f"{len(done)} applied, nothing is left to do")


def _say(session: Session, words: str, ids: list[str]) -> None:
    for each in ids:
        session.output.done(f"{words} {each}")
    if not ids:
        session.output.done("nothing differs: nothing is proposed")
