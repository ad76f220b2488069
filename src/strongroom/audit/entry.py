"""What is written down of a request: one OCSF event, as the exact bytes of a leaf.

Specs   OCSF 1.8.0. Our own name of what happened is `metadata.event_code` ("secret.read"); the
        class that it maps to is a table here, so that a later schema is a change of one table.
Units   `time` is milliseconds since the Unix epoch; `unmapped.time` the same moment with
        microseconds, RFC 3339.
Trust   Every field is named here: nothing is copied from a request but its path and address, so
        that no value, token or header can slip in. A secret shows as its keyed fingerprint. What
        a caller can make long or strange is cut to size: an entry that could not be written would
        be a way to act without one, or not to be served. What is small stays whatever else is
        sent: numbers, truth values and texts of up to 256 characters, up to 4 KiB of them. `cut`
        names the rest, with its count and a digest of the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import Any

from strongroom.audit.shortening import LEAST, Measured, mark_of, measured, text, utf8
from strongroom.audit.shortening import encode as _encode
from strongroom.base.clock import rfc3339
from strongroom.base.version import VERSION

OCSF = "1.8.0"
PRODUCT = {"name": "strongroom", "vendor_name": "strongroom", "version": VERSION}
API_ACTIVITY = 6003
MAX_PATH = 1024
MAX_REASON = 1024
MAX_ENTRY = 16 * 1024
MAX_ADDRESS = 40  # OCSF's limit for an IP address
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


class Kind(IntEnum):
    """OCSF's user types, as we use them."""

    UNKNOWN = 0
    USER = 1
    ADMIN = 2
    SYSTEM = 3
    SERVICE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who: ids only, never names. `token` is the accessor of a service token."""

    id: str
    kind: Kind = Kind.UNKNOWN
    token: str = ""
    issuer: str = ""  # the path that made the token
    policies: tuple[str, ...] = ()
    environment: str = ""
    makers: tuple[str, ...] = ()  # other entities, with whose tokens this one's was made
    let_in_by: tuple[str, ...] = ()  # other entities, who made what it was logged in by


ANONYMOUS = Actor(id="anonymous")
SYSTEM = Actor(id="system", kind=Kind.SYSTEM)


@dataclass(slots=True, kw_only=True)
class Event:
    """One request, or one act of the server itself. `details` holds what this module allows."""

    code: str
    operation: str
    path: str
    time: datetime
    id: str
    actor: Actor
    ok: bool
    method: str = ""
    status: int = 0
    reason: str = ""  # why it was refused or failed, in words that hold no value
    rules: tuple[str, ...] = ()  # the policy rules that granted or refused
    guardrail: str = ""
    address: str = ""
    port: int = 0
    version: int | None = None
    fingerprint: bytes | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    simulated: bool = False  # the clock is a movable one
    cut: Mapping[str, object] | None = None  # what `encode` shortened, with what stands for it


# event code prefix -> (class, category); the longest prefix wins
CLASSES: dict[str, tuple[int, int]] = {
    "": (6003, 6),  # API Activity
    "auth.login": (3002, 3),  # Authentication
    "policy.": (3004, 3),  # Entity Management
    "mount.": (3004, 3),
    "environment.": (3004, 3),
    "entity.": (3004, 3),
    "server.": (6002, 6),  # Application Lifecycle
    "log.heartbeat": (6002, 6),
    "seal.": (6002, 6),
    "clock.": (6002, 6),
}
API = {"create": 1, "read": 2, "list": 2, "scan": 2, "update": 3, "patch": 3, "delete": 4}
ENTITY = {"create": 1, "read": 2, "list": 2, "scan": 2, "update": 3, "patch": 3, "delete": 4}
LIFECYCLE = {"server.start": 3, "server.stop": 4}
OTHER = 99
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})  # of those that OCSF has
_ENTITY_KINDS = {"policy": (5, "Policy")}


def class_of(code: str) -> tuple[int, int]:
    """Return the OCSF class and category of an event code."""
    found = _classes.get(code)
    if found is None:
        prefix = max((p for p in CLASSES if code.startswith(p)), key=len)
        found = _classes[code] = CLASSES[prefix]
    return found


_classes: dict[str, tuple[int, int]] = {}


def encode(event: Event) -> bytes:
    """Return the leaf: compact JSON of at most 16 KiB, whatever the event holds."""
    try:
        leaf = _filled(event) if _everyday(event) else _encode(_fields(event))
    except (TypeError, ValueError, OverflowError, RecursionError):  # what JSON has no form for
        return _cut(event)
    return leaf if len(leaf) <= MAX_ENTRY else _cut(event)


# -- the entry that is too large, or holds what cannot be written

# the share of each list, object and long text in bytes; the characters of path and reasons; of ids
_STEPS = (
    (MAX_ENTRY, MAX_PATH, MAX_PATH),
    (8192, MAX_PATH, MAX_PATH),
    (6144, MAX_PATH, 512),
    (4096, MAX_PATH, 256),
    (3072, 512, 256),
    (2048, 512, 256),
    (1024, 256, 256),
    (512, 256, 256),
    (256, 128, 256),
    (LEAST, 128, 256),
    (LEAST, 128, 64),  # what is left of the frame fits at six bytes for each character
)
_LONG_TEXTS = {name: name for name in ("path", "reason", "guardrail")}
_SHORT_TEXTS = {name: name for name in ("operation", "address", "method")}
_ACTOR_TEXTS = {"id": "actor", "token": "session", "issuer": "issuer", "environment": "environment"}


def _cut(event: Event) -> bytes:
    """Return the leaf with what is large shortened, all of it alike, and what is small as it is."""
    lists = tuple(
        measured([utf8(each) for each in many]) for many in (event.actor.policies, event.rules)
    )
    details = {utf8(name): measured(value) for name, value in event.details.items()}
    for step in _STEPS:
        leaf = _encode(_fields(_shortened(event, lists, details, step)))
        if len(leaf) <= MAX_ENTRY:
            return leaf
    return _with_fewer(event, lists, details)


def _with_fewer(
    event: Event, lists: tuple[Measured, ...], details: Mapping[str, Measured]
) -> bytes:
    """Keep the smallest details that fit, the plain ones first: there are too many of them."""
    whole = {"details": measured({name: each.value for name, each in details.items()}).mark}
    bare = _shortened(event, lists, {}, _STEPS[-1])
    room = MAX_ENTRY - len(_encode(_fields(replace(bare, cut={**(bare.cut or {}), **whole}))))
    room -= LEAST  # for the commas, and for what stands under `details`
    kept: dict[str, Measured] = {}
    for name, each in sorted(details.items(), key=lambda d: (d[1].mark is not None, d[1].size)):
        room -= len(_encode({name: each.within(LEAST)}))
        room -= len(_encode({"details." + name: each.mark})) if each.mark else 0
        if room < 0:
            break
        kept[name] = each
    few = _shortened(event, lists, kept, _STEPS[-1])
    return _encode(_fields(replace(few, cut={**(few.cut or {}), **whole})))


def _shortened(
    event: Event,
    lists: tuple[Measured, ...],
    details: Mapping[str, Measured],
    step: tuple[int, int, int],
) -> Event:
    """Return the event as one step leaves it, with what was shortened in its `cut`."""
    share, text_most, id_most = step
    cut: dict[str, object] = {}

    def texts(holder: object, names: Mapping[str, str], most: int) -> dict[str, Any]:
        whole = {attribute: utf8(getattr(holder, attribute)) for attribute in names}
        cut.update({names[a]: mark_of(t) for a, t in whole.items() if len(t) > most})
        return {attribute: text(each, most) for attribute, each in whole.items()}

    def fitted(name: str, whole: Measured) -> Any:
        found = whole.within(share)
        if found != whole.value:
            cut[name] = whole.mark
        return found

    return replace(
        event,
        **texts(event, _LONG_TEXTS, text_most),
        **texts(event, _SHORT_TEXTS, id_most),
        actor=replace(
            event.actor,
            **texts(event.actor, _ACTOR_TEXTS, id_most),
            policies=tuple(fitted("policies", lists[0])),
        ),
        rules=tuple(fitted("rules", lists[1])),
        details={
            name: fitted(f"details.{name}" if name in _FRAME else name, each)
            for name, each in details.items()
        },
        cut=cut or None,
    )


# -- the everyday entry: a served request, of which only a few values differ from the last one

_MARKS: dict[str, Any] = {  # in the order in which `_fill` gives the values
    "time": 1_111_111_111_111,
    "port": 65_432_123,
    "id": "mark-of-the-id",
    "address": "mark-of-the-address",
    "path": "mark-of-the-path",
    "version": 7_654_321,
    "fingerprint": bytes.fromhex("feedfacecafebeef" * 2),
    "moment": datetime(1999, 9, 9, 9, 9, 9, 999_999, UTC),
}
_WRITTEN = {
    name: (
        mark.hex()
        if isinstance(mark, bytes)
        else rfc3339(mark)
        if isinstance(mark, datetime)
        else str(mark)
    ).encode()
    for name, mark in _MARKS.items()
}
_SPLIT = re.compile(b"|".join(re.escape(mark) for mark in _WRITTEN.values()))
_AT = {mark: at for at, mark in enumerate(_WRITTEN.values())}


@dataclass(frozen=True, slots=True)
class _Template:
    """An entry as a bytes format, and what puts the values of the marks where they belong."""

    actor: Actor
    text: bytes
    places: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]


_templates: dict[tuple[object, ...], _Template] = {}
MOST_TEMPLATES = 4096


def _everyday(event: Event) -> bool:
    return (
        event.ok
        and not (event.details or event.reason or event.guardrail)
        and len(event.address) <= MAX_ADDRESS
        and class_of(event.code)[0] == API_ACTIVITY
    )


def _filled(event: Event) -> bytes:
    """Return what `_encode(_fields(event))` would, from a template made by just that."""
    actor = event.actor
    key = (
        event.code,
        event.operation,
        event.method,
        event.status,
        event.rules,
        id(actor),
        event.version is None,
        event.fingerprint is None,
        event.address == "",
        event.simulated,
    )
    known = _templates.get(key)
    if known is None or known.actor is not actor:
        return _remember(key, event)
    return _fill(known, event)


def _fill(template: _Template, event: Event) -> bytes:
    path = event.path if len(event.path) <= MAX_PATH else event.path[:MAX_PATH] + "…"
    milliseconds, moment = _moment(event.time)
    values = (
        milliseconds,
        b"%d" % event.port,
        _inside(event.id),
        _address(event.address),
        _inside(path),
        b"%d" % (event.version or 0),
        (event.fingerprint or b"").hex().encode(),
        moment,
    )
    return template.text % template.places(values)


def _moment(time: datetime) -> tuple[bytes, bytes]:
    """Return a time as `time` and as `unmapped.time`: entries come many to the second."""
    since = time - EPOCH
    first, text = _second(since.days, since.seconds)
    fraction = since.microseconds
    if fraction:
        text = (b"%b.%06d" % (text, fraction)).rstrip(b"0")
    return b"%d" % (first + fraction // 1000), text + b"Z"


@lru_cache(maxsize=4)
def _second(days: int, seconds: int) -> tuple[int, bytes]:
    """Return a whole second in milliseconds and in words, without its `Z`."""
    since = timedelta(days=days, seconds=seconds)
    return since // MILLISECOND, rfc3339(EPOCH + since).removesuffix("Z").encode()


def _inside(text: str) -> bytes:
    """Return text as it stands between the quotes of a JSON string."""
    return _encode(text)[1:-1]


@lru_cache(maxsize=1024)  # there are far fewer than requests
def _address(text: str) -> bytes:
    return _inside(text)


def _remember(key: tuple[object, ...], event: Event) -> bytes:
    """Encode the event, and keep it as a template: with marks for what differs, cut at the marks.

    Kept only if it gives the same bytes, and if nothing in the event looks like a mark: a rule
    whose text holds one would change with the path of each request.
    """
    marked = replace(
        event,
        time=_MARKS["moment"],
        port=_MARKS["port"],
        id=_MARKS["id"],
        address=_MARKS["address"] if event.address else "",
        path=_MARKS["path"],
        version=None if event.version is None else _MARKS["version"],
        fingerprint=None if event.fingerprint is None else _MARKS["fingerprint"],
    )
    fields = _fields(marked)
    fields["time"] = _MARKS["time"]
    leaf = _encode(fields).replace(b"%", b"%%")
    places = itemgetter(*(_AT[mark] for mark in _SPLIT.findall(leaf)))
    template = _Template(event.actor, _SPLIT.sub(b"%b", leaf), places)
    if len(_templates) >= MOST_TEMPLATES:
        _templates.clear()
    whole = _encode(_fields(event))
    if _fill(template, event) == whole and not _SPLIT.search(whole):
        _templates[key] = template
    return whole


def digest_of(leaf: bytes) -> bytes:
    """Return the leaf hash: SHA-256(0x00 || leaf), RFC 6962 section 2.1."""
    return sha256(b"\0" + leaf).digest()


def _severity(event: Event) -> int:
    """Return OCSF's: high for what calls for somebody to look, else informational or low."""
    if "alert" in event.details:
        return 4
    return 1 if event.ok else 2


def _fields(event: Event) -> dict[str, Any]:
    class_uid, category = class_of(event.code)
    activity = _activity(class_uid, event)
    path = event.path if len(event.path) <= MAX_PATH + 1 else event.path[:MAX_PATH] + "…"
    fields: dict[str, Any] = {
        "class_uid": class_uid,
        "category_uid": category,
        "activity_id": activity,
        "type_uid": class_uid * 100 + activity,
        "time": (event.time - EPOCH) // MILLISECOND,
        "severity_id": _severity(event),
        "status_id": 1 if event.ok else 2,
        "metadata": {
            "version": OCSF,
            "uid": event.id,
            "event_code": event.code,
            "log_name": "audit",
            "product": PRODUCT,
        },
    }
    if activity == OTHER:
        fields["activity_name"] = event.operation or event.code
    if event.status:
        fields["status_code"] = str(event.status)
    if event.reason:
        fields["status_detail"] = event.reason[:MAX_REASON]
    _by_class[class_uid](fields, event, path)
    fields["unmapped"] = _unmapped(event, path)
    return fields


def _activity(class_uid: int, event: Event) -> int:
    if class_uid == 3002:
        return 1
    if class_uid == 6002:
        return LIFECYCLE.get(event.code, OTHER)
    return (ENTITY if class_uid == 3004 else API).get(event.operation, OTHER)


def _actor(actor: Actor) -> dict[str, Any]:
    out: dict[str, Any] = {"user": {"uid": actor.id, "type_id": int(actor.kind)}}
    if actor.token:
        out["session"] = {"uid": actor.token, "issuer": actor.issuer}
    return out


def _endpoint(event: Event) -> dict[str, Any]:
    if not event.address:
        return {"name": "strongroom"}
    if len(event.address) > MAX_ADDRESS:  # a link-local one with a long zone
        return {"name": event.address, "port": event.port}
    return {"ip": event.address, "port": event.port}


def _http(fields: dict[str, Any], event: Event, path: str) -> None:
    if not event.method:
        return
    request: dict[str, Any] = {"url": {"path": path if path.startswith("/") else "/v1/" + path}}
    if event.method in METHODS:
        request["http_method"] = event.method
    fields["http_request"] = request
    fields["http_response"] = {"code": event.status}


def _api(fields: dict[str, Any], event: Event, path: str) -> None:
    resource: dict[str, Any] = {"uid": path, "type": event.code.partition(".")[0]}
    if event.version is not None:
        resource["version"] = str(event.version)
    fields["actor"] = _actor(event.actor)
    fields["api"] = {
        "operation": event.operation,
        "request": {"uid": event.id},
        "service": {"name": "strongroom"},
    }
    fields["src_endpoint"] = _endpoint(event)
    fields["resources"] = [resource]
    _http(fields, event, path)


def _authentication(fields: dict[str, Any], event: Event, path: str) -> None:
    fields["user"] = {"uid": event.actor.id, "type_id": int(event.actor.kind)}
    fields["actor"] = _actor(event.actor)
    fields["service"] = {"name": "strongroom"}
    fields["src_endpoint"] = _endpoint(event)
    fields["auth_protocol_id"] = 99
    fields["auth_protocol"] = path.removeprefix("auth/").split("/")[0]
    fields["is_remote"] = True
    _http(fields, event, path)


def _entity(fields: dict[str, Any], event: Event, path: str) -> None:
    kind_id, kind = _ENTITY_KINDS.get(
        event.code.partition(".")[0], (99, event.code.partition(".")[0])
    )
    entity: dict[str, Any] = {"uid": path, "type_id": kind_id, "type": kind}
    if event.version is not None:
        entity["version"] = str(event.version)
    fields["actor"] = _actor(event.actor)
    fields["entity"] = entity
    fields["src_endpoint"] = _endpoint(event)
    _http(fields, event, path)


def _lifecycle(fields: dict[str, Any], event: Event, path: str) -> None:  # noqa: ARG001
    fields["app"] = {"name": "strongroom", "vendor_name": "strongroom", "version": VERSION}


_by_class = {6003: _api, 3002: _authentication, 3004: _entity, 6002: _lifecycle}


def _unmapped(event: Event, path: str) -> dict[str, Any]:
    """Return what OCSF has no place for, under names of our own."""
    own: dict[str, Any] = {"time": rfc3339(event.time), "operation": event.operation, "path": path}
    actor = event.actor
    if actor.policies:
        own["policies"] = actor.policies
    if event.rules:
        own["rules"] = event.rules
    own |= {"environment": actor.environment} if actor.environment else {}
    own |= {"makers": actor.makers} if actor.makers else {}
    own |= {"let_in_by": actor.let_in_by} if actor.let_in_by else {}
    if event.guardrail:
        own["guardrail"] = event.guardrail
    if event.fingerprint is not None:
        own["fingerprint"] = event.fingerprint.hex()
    if event.simulated:
        own["clock"] = "simulated"
    if event.method and event.method not in METHODS:  # LIST and SCAN are Vault's
        own["method"] = event.method
    if class_of(event.code)[0] == 6002:
        _add_origin(own, event)
    if event.details or event.cut:
        _add_details(own, event.details, event.cut)
    return own


def _add_origin(own: dict[str, Any], event: Event) -> None:
    """Say who and from where: OCSF's Application Lifecycle has no place for it."""
    own["actor"] = event.actor.id
    if event.actor.token:
        own["session"] = event.actor.token
    if event.address:
        own["address"] = event.address
    if event.method:
        own["method"] = event.method


def _add_details(
    own: dict[str, Any], details: Mapping[str, object], cut: Mapping[str, object] | None
) -> None:
    """Add what a handler says, beside what the pipeline knows and never in its place."""
    if cut:
        own["cut"] = cut
    taken = own.keys() & details.keys() | details.keys() & _OURS
    if not taken:
        own.update(details)
        return
    own.update({name: value for name, value in details.items() if name not in taken})
    own["details"] = {name: details[name] for name in taken}


_OURS = frozenset(
    {
        *("policies", "rules", "environment", "guardrail", "fingerprint", "clock", "method"),
        *("makers", "let_in_by"),
        *("details", "cut"),
    }
)
_FRAME = _OURS | {"time", "operation", "path", "reason", "address", "actor", "session", "issuer"}


def utc(milliseconds: int) -> datetime:
    """Return the moment of an entry's `time`."""
    return EPOCH + milliseconds * MILLISECOND
