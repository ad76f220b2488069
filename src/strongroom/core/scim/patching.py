"""SCIM's PATCH: operations on a resource in memory; who calls writes what came of it.

Specs   RFC 7644 section 3.5.2: add, replace, remove, with a path, a path with a filter, or none.
        Operations may be written with capitals, as directories do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from strongroom.base.errors import InputError
from strongroom.core.scim.filters import Test, parse_filter, plain

MOST: Final = 1000
_PATH = re.compile(r"([A-Za-z$][\w$-]*)(?:\[(.{1,1024})\])?(?:\.([A-Za-z$][\w$-]*))?", re.DOTALL)
Attributes = Mapping[str, Mapping[str, Any]]  # of a schema, by name in lower case


def apply_patch(
    resource: Mapping[str, Any], operations: object, known: Attributes
) -> dict[str, Any]:
    """Return the resource after the operations; InputError for what is none."""
    if not isinstance(operations, list) or not 0 < len(operations) <= MOST:
        raise InputError("invalidSyntax", f"Operations: 1 to {MOST} of them")
    found = dict(resource)
    for each in operations:
        if not isinstance(each, Mapping):
            raise InputError("invalidSyntax", "an operation is an object")
        _apply(found, each, known)
    return found


def _apply(resource: dict[str, Any], operation: Mapping[str, Any], known: Attributes) -> None:
    verb = str(operation.get("op", "")).lower()
    path, value = operation.get("path"), operation.get("value")
    if verb not in {"add", "replace", "remove"}:
        raise InputError("invalidSyntax", "op: add, replace or remove")
    if path is None or path == "":
        if verb == "remove":
            raise InputError("noTarget", "what is removed has a path")
        if not isinstance(value, Mapping):
            raise InputError("invalidValue", "without a path the value is an object")
        for name, one in value.items():
            attribute = known.get(plain(str(name)).partition(".")[0].lower())
            if attribute is not None and attribute["mutability"] != "readOnly":
                _at(resource, verb, plain(str(name)), one, known)
        return
    if not isinstance(path, str) or len(path) > 1200:
        raise InputError("invalidPath", "no path of an attribute")
    _at(resource, verb, _without_schema(path), value, known)


def _without_schema(path: str) -> str:
    head, bracket, rest = path.partition("[")
    return plain(head) + bracket + rest


def _at(resource: dict[str, Any], verb: str, path: str, value: Any, known: Attributes) -> None:
    match = _PATH.fullmatch(path)
    attribute = known.get(match[1].lower()) if match is not None else None
    if match is None or attribute is None:
        raise InputError("invalidPath", "no attribute that can be set")
    if attribute["mutability"] == "readOnly":
        raise InputError("mutability", f"{attribute['name']} cannot be set")
    name, chosen, sub = attribute["name"], match[2], match[3]
    subs = {each["name"].lower(): each["name"] for each in attribute.get("subAttributes", ())}
    if sub is not None:
        if sub.lower() not in subs:
            raise InputError("invalidPath", "no such part of an attribute")
        sub = subs[sub.lower()]
    if attribute["multiValued"]:
        test = parse_filter(chosen) if chosen is not None else None
        _many(resource, verb, name, test, sub, value)
    elif chosen is not None:
        raise InputError("invalidPath", f"{name} holds one value")
    else:
        _one(resource, verb, name, sub, value)


def _one(resource: dict[str, Any], verb: str, name: str, sub: str | None, value: Any) -> None:
    if sub is not None:
        whole = resource.get(name)
        inner = dict(whole) if isinstance(whole, Mapping) else {}
        _one(inner, verb, sub, None, value)
        resource[name] = inner
    elif verb == "remove" or value is None:
        resource.pop(name, None)
    elif isinstance(value, Mapping) and isinstance(resource.get(name), Mapping):
        resource[name] = {**resource[name], **value}
    else:
        resource[name] = value


def _many(  # noqa: PLR0913, PLR0917 - the parts of a path
    resource: dict[str, Any], verb: str, name: str, test: Test | None, sub: str | None, value: Any
) -> None:
    old = [each for each in resource.get(name) or () if isinstance(each, Mapping)]
    if test is not None or sub is not None:
        hit = [each for each in old if test is None or test(each)]
        if not hit and verb == "replace":
            raise InputError("noTarget", f"nothing of {name} is so")
        resource[name] = _changed(old, hit, verb, sub, value)
        if not hit and verb == "add" and sub is not None:
            resource[name] = [*old, {sub: value}]
        return
    given = _list(name, value) if value is not None else []
    if verb == "remove":
        gone = [each.get("value") for each in given]
        resource[name] = [each for each in old if given and each.get("value") not in gone]
    elif verb == "replace":
        resource[name] = given
    else:
        fresh = [each for each in given if each not in old]
        if any(each.get("primary") for each in fresh):
            old = [{**each, "primary": False} if each.get("primary") else each for each in old]
        resource[name] = [*old, *fresh]


def _changed(
    old: Sequence[Mapping[str, Any]],
    hit: Sequence[Mapping[str, Any]],
    verb: str,
    sub: str | None,
    value: Any,
) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for each in old:
        if each not in hit:
            found.append(each)
        elif verb == "remove" and sub is None:
            continue
        elif verb == "remove":
            found.append({key: one for key, one in each.items() if key != sub})
        elif sub is not None:
            found.append({**each, sub: value})
        elif isinstance(value, Mapping):
            found.append({**each, **value})
        else:
            raise InputError("invalidValue", "the value is an object")
    return found


def _list(name: str, value: Any) -> list[Mapping[str, Any]]:
    many = value if isinstance(value, list) else [value]
    if len(many) > MOST or not all(isinstance(each, Mapping) for each in many):
        raise InputError("invalidValue", f"{name} holds at most {MOST} objects")
    return many
