"""A write as a change holds it: its content in one form, what it would change, and digests.

Two writes are the same if path, operation, query and body are, however the JSON was spaced or
ordered. What a write would change is told by the read of the same path; of an engine's secrets, by
which entry of the log wrote them.

Trust   The content is sealed where it is kept. A digest is keyed, so it tells nobody who cannot
        open the barrier whether a guess is right. What is shown leaves out each value that is
        declared secret, or is called so, and all values of what is no configuration.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from strongroom.base.clock import rfc3339
from strongroom.base.errors import InputError, StrongroomError
from strongroom.base.secret import Secret
from strongroom.core.envelope import envelope
from strongroom.core.fields import declared, members
from strongroom.core.request import Incoming
from strongroom.core.router import Match, Operation
from strongroom.core.system.policies import decoded as policy_text
from strongroom.core.views import Live
from strongroom.sdk.changes import one_form
from strongroom.sdk.engine import Attributing, Call, Json
from strongroom.storage.barrier import Barrier

MOST_CONTENT: Final = 256 * 1024  # bytes of a write's query and body
DIGEST, STATE, SHOWN = "change", "change-base", "change-shown"
CONFIGURED: Final = ("sys/", "auth/", "identity/", "strongroom/")
NOTHING: Final = b"null"
POLICY: Final = "sys/policies/acl/"
_SENSITIVE: Final = re.compile(r"pass(word|phrase)?$|passw|secret$|credential|private|_key$|^key$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a write is of: the mount, and the route that would serve it."""

    path: str
    live: Live
    match: Match

    @property
    def rest(self) -> str:
        """The path behind the mount's."""
        return self.path.removeprefix(self.live.row.path)


# -- content


def content_of(incoming: Incoming) -> bytes:
    """Return query and body of a write in one form. Raises InputError for what is no JSON."""
    body = incoming.body or b""
    if len(body) > MOST_CONTENT:
        raise InputError("", f"a change holds at most {MOST_CONTENT} bytes")
    members(body)  # its bounds, and that it is an object
    try:
        inside = json.loads(body) if body.strip() else None
    except (ValueError, RecursionError):
        raise InputError("", "the body holds a value that cannot be read") from None
    query = {name: list(texts) for name, texts in (incoming.query or {}).items()}
    return canonical({"body": inside or {}, "query": query, "merge": incoming.merge_patch})


def canonical(value: object) -> bytes:
    """Return JSON in one form: keys in order, no space, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def parts_of(content: bytes) -> tuple[bytes | None, dict[str, list[str]] | None, bool]:
    """Return body, query and whether it is a merge patch, as a request has them."""
    kept = json.loads(content)
    return canonical(kept["body"]) if kept["body"] else None, kept["query"] or None, kept["merge"]


def digest_of_write(barrier: Barrier, path: str, operation: str, content: bytes) -> str:
    """Return the keyed digest by which a write is known, hexadecimal."""
    said = canonical([path.strip("/"), operation]) + content
    return barrier.digest(DIGEST, said).hex()


# -- what is there


async def present(call: Call, target: Target) -> Mapping[str, Any] | None:
    """Return what a read of the path tells now: None where there is nothing, or no read.

    `call` is to the target's mount. What it writes is undone by whoever asks.
    """
    try:
        match = target.live.routes.match(target.rest, Operation.READ)
        given = match.bound.decode(match.fields, None, None).given
        reply = await match.bound.endpoint.serve(call, given)
    except StrongroomError:
        return None
    if reply is None or reply.data is None:
        return None
    data = json.loads(envelope("", reply, []))
    found = data["data"] if isinstance(data.get("data"), dict) else data
    return found if isinstance(found, dict) else None


def configures(path: str) -> bool:
    """Say whether a path is of the server's own configuration, or of an auth mount's."""
    return path.startswith(CONFIGURED)


async def base_of(barrier: Barrier, call: Call, target: Target) -> str:
    """Return the digest of what is there now, hexadecimal; empty where nothing can tell."""
    if configures(target.path):
        try:
            target.live.routes.match(target.rest, Operation.READ)
        except StrongroomError:
            return ""
        found = await present(call, target)
        return barrier.digest(STATE, NOTHING if found is None else canonical(found)).hex()
    engine = target.live.plugin
    if not isinstance(engine, Attributing):
        return ""
    index = await engine.written_at(call, target.rest.rstrip("/"))
    return barrier.digest(STATE, str(index).encode()).hex()


# -- what is shown


async def difference(call: Call, target: Target, operation: str, content: bytes) -> str:
    """Return what a write would change, as JSON: a list of fields, and of texts their lines."""
    before = (await present(call, target) if configures(target.path) else None) or {}
    return compared(target.path, target.match, before, operation, content)


def compared(
    path: str, match: Match, before: Mapping[str, Any], operation: str, content: bytes
) -> str:
    """Return what a write would change of what is there `before`, as JSON."""
    body, query, _ = parts_of(content)
    if operation == Operation.DELETE:
        rows = [_row(name, value, None) for name, value in before.items()]
        return json.dumps([row for row in rows if row["before"] not in ("", None, [], {})])
    given = match.bound.decode(match.fields, query, body)
    known = {field.name: field for field in declared(match.bound.endpoint.given)}
    rows = []
    for name in sorted(given.sent):
        if name not in known or name in match.fields:
            continue
        after = getattr(given.given, name)
        if known[name].whole or not configures(path) or _is_secret(name, known[name].kind, after):
            rows.append(_hidden(name))
        else:
            rows.append(_compared(path, name, before, after))
    rows += [_hidden(name) | {"unknown": True} for name in given.unknown]
    return json.dumps(rows)


def digest_of_difference(barrier: Barrier, shown: Sequence[str]) -> str:
    """Return the keyed digest of what was shown of all writes of a change, hexadecimal."""
    return barrier.digest(SHOWN, canonical(list(shown))).hex()


def _compared(path: str, name: str, before: Mapping[str, Any], after: Any) -> dict[str, object]:
    old, new = before.get(name), _plain(after)
    if one_form(path).startswith(POLICY) and name in ("policy", "rules"):
        old, new = before.get("policy", before.get("rules")), policy_text(str(after))
    return _row(name, old, new)


def _row(name: str, old: object, new: object) -> dict[str, object]:
    row: dict[str, object] = {"field": name, "before": old, "after": new}
    if _SENSITIVE.search(name):
        return _hidden(name)
    texts = [each for each in (old, new) if isinstance(each, str)]
    if any("\n" in each for each in texts) or name in ("policy", "rules"):
        was, to_be = (str(each or "").splitlines() for each in (old, new))
        row["diff"] = [*difflib.unified_diff(was, to_be, "now", "proposed", lineterm="")]
    return row


def _hidden(name: str) -> dict[str, object]:
    return {"field": name, "before": None, "after": None, "hidden": True}


def _is_secret(name: str, kind: object, value: object) -> bool:
    return kind is Secret or isinstance(value, Secret) or _SENSITIVE.search(name) is not None


def _plain(value: Any) -> Any:
    """Return a decoded value as JSON would hold it; nothing of a secret inside."""
    if isinstance(value, Secret):
        return "(hidden)"
    if isinstance(value, Json):
        return json.loads(value.raw)
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    if isinstance(value, datetime):
        return rfc3339(value)
    if is_dataclass(value):
        held = {f.name: getattr(value, f.name) for f in fields(value)}
        return {n: _plain(v) for n, v in held.items() if v is not None and n != "sent"}
    if isinstance(value, Mapping):
        hidden = {n for n in value if _SENSITIVE.search(str(n))}
        return {str(n): "(hidden)" if n in hidden else _plain(v) for n, v in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [_plain(each) for each in value]
    return value
