"""Vault's help on a path (`?help=1`), written from what a route declares.

Vault   The reply is `{"help": text, "see_also": null, "openapi": document}`; the text has the
        sections PARAMETERS and DESCRIPTION for one path, and PATHS for a mount.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from strongroom.api.openapi import Described, document
from strongroom.base.secret import Secret
from strongroom.core.fields import Field, declared
from strongroom.core.router import ENDPOINTS
from strongroom.sdk.engine import Json, Route

_WORDS: Mapping[Any, str] = {
    str: "string",
    Secret: "string",
    int: "int",
    float: "float",
    bool: "bool",
    timedelta: "duration",
    datetime: "time",
    Json: "JSON",
}


def help_on(route: Route, *, path: str, kind: str, version: str) -> dict[str, object]:
    """Return the reply for the route at `path`, which is relative to the mount."""
    text = [f"Request:        {path}", f"Matching Route: {route.path}", "", route.summary, ""]
    known = [
        each for each in _fields(route) if not each.sent and (not each.help or each.help.shown)
    ]
    if known:
        text += ["## PARAMETERS", ""]
        for each in sorted(known, key=lambda field: field.name):
            text += _parameter(each)
    if operations := _operations(route):
        text += ["## OPERATIONS", "", *operations, ""]
    if route.description:
        text += ["## DESCRIPTION", "", route.description, ""]
    return _reply(text, kind, [route], version)


def help_on_mount(
    routes: Sequence[Route], *, kind: str, about: str, version: str
) -> dict[str, object]:
    """Return the reply for the mount itself: what it is, and its paths."""
    text = ["## DESCRIPTION", "", about.strip(), "", "## PATHS", ""]
    text += ["The paths under this mount. Ask for help on one of them to see what it takes.", ""]
    for route in sorted(routes, key=lambda each: each.path):
        text += [f"    {route.path}", f"        {route.summary}", ""]
    return _reply(text, kind, routes, version)


def _reply(text: list[str], kind: str, routes: Sequence[Route], version: str) -> dict[str, object]:
    described = Described(path="", kind=kind, routes=routes)
    openapi = document([described], version=version)
    return {"help": "\n".join(text).rstrip() + "\n", "see_also": None, "openapi": openapi}


def _fields(route: Route) -> list[Field]:
    """Return every field that any operation of the route takes, once."""
    found: dict[str, Field] = {}
    for pick in ENDPOINTS.values():
        endpoint = pick(route)
        for each in declared(endpoint.given) if endpoint else ():
            found.setdefault(each.name, each)
    return list(found.values())


def _operations(route: Route) -> list[str]:
    found = []
    for operation, pick in ENDPOINTS.items():
        endpoint = pick(route)
        if endpoint is not None:
            found.append(f"    {operation}: {endpoint.summary or route.summary}")
    return found


def _parameter(each: Field) -> list[str]:
    required = ", required" if each.required else ""
    lines = [f"    {each.name} ({_word(each.kind)}{required})", ""]
    if each.help is not None:
        lines += [f"        {each.help.text}", ""]
        if each.help.was:
            lines += [f"        Also known as {', '.join(each.help.was)}.", ""]
    return lines


def _word(kind: Any) -> str:
    """Return a type in one or two words."""
    if get_origin(kind) is Literal:
        return "string"
    if get_origin(kind) is tuple:
        return f"list of {_word(get_args(kind)[0])}"
    if get_args(kind) or (is_dataclass(kind) and kind is not Json):
        return "map"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "string"
    return _WORDS.get(kind, "JSON")
