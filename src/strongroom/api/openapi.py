"""The OpenAPI document of the `/v1` surface, read off the declarations that route and decode.

Specs   OpenAPI 3.0.2, the version of Vault's own document.
Vault   Lists are GET with `list=true`, writes are POST; `x-vault-sudo`, `x-vault-unauthenticated`
        and `x-vault-createSupported` as in Vault. With generic mount paths, a mount's place is a
        path parameter (`/{secret_mount_path}/data/{path}`, `/auth/{approle_mount_path}/login`).
Trust   A document says what exists: whoever asks is shown the mounts that policy lets them see,
        and it is the caller's part to leave the others out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from strongroom.base.secret import Secret
from strongroom.core.fields import Field, declared
from strongroom.core.kinds import optional
from strongroom.core.router import ENDPOINTS, Operation, Part, parts
from strongroom.sdk.engine import Endpoint, Route

VERSION = "3.0.2"
_TAGS = {"auth": "auth", "sys": "system", "identity": "identity"}
_BODIES = {Operation.WRITE: "post", Operation.PATCH: "patch"}
_OK = {"description": "OK"}
_EMPTY = {"description": "empty body"}
_PLAIN: Mapping[Any, Mapping[str, str]] = {
    str: {"type": "string"},
    Secret: {"type": "string", "format": "password"},
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    timedelta: {"type": "integer", "format": "seconds"},
    datetime: {"type": "string", "format": "date-time"},
}


@dataclass(frozen=True, kw_only=True)
class Described:
    """A mount and its routes. `path` is as in a request: "secret/", "auth/approle/", "sys/".

    `parameter` stands for the mount in a document of generic paths; empty for what cannot be
    mounted elsewhere. An auth method's routes include its login (`core.router.Routes.routes`).
    """

    path: str
    kind: str
    routes: Sequence[Route]
    parameter: str = ""


def parameter_for(path: str) -> str:
    """Return the name that Vault's document gives to a mount's place: `secret_mount_path`."""
    return re.sub(r"\W+", "_", path.strip("/").removeprefix("auth/")) + "_mount_path"


def document(
    mounts: Iterable[Described], *, version: str, generic: bool = False
) -> dict[str, object]:
    """Return the document as plain JSON values. Of two mounts in one place the first counts."""
    writer = _Writer()
    for mount in mounts:
        place = mount.path.strip("/")
        parameter = mount.parameter if generic else ""
        if parameter:
            place = f"auth/{{{parameter}}}" if place.startswith("auth/") else f"{{{parameter}}}"
        for route in mount.routes:
            writer.add(mount, f"/{place}" if place else "", parameter, route)
    return {
        "openapi": VERSION,
        "info": {
            "title": "strongroom API",
            "description": "Vault's HTTP API. All paths start with `/v1`.",
            "version": version,
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "paths": dict(sorted(writer.paths.items())),
        "components": {"schemas": dict(sorted(writer.schemas.items()))},
    }


@dataclass
class _Writer:
    """A document in the making."""

    paths: dict[str, object] = field(default_factory=dict)
    schemas: dict[str, object] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def add(self, mount: Described, place: str, parameter: str, route: Route) -> None:
        segments = parts(route.path)
        inside = {part.text for part in segments if part.is_field}
        shared = [_mount_parameter(parameter, mount.path)] if parameter else []
        path = f"{place}/{'/'.join(_shown(part) for part in segments)}"
        self._add_item(mount, path, route, inside, shared)
        if segments[-1].is_rest and route.list and len(segments) > 1:
            top = replace(route, read=None, write=None, patch=None, delete=None)
            self._add_item(mount, path.removesuffix(_shown(segments[-1])), top, inside, shared)

    def _add_item(
        self,
        mount: Described,
        path: str,
        route: Route,
        inside: set[str],
        shared: list[dict[str, object]],
    ) -> None:
        """Describe `route` at `path`; `inside` are the fields that the path captures."""
        if path in self.paths:
            return
        item: dict[str, object] = {"description": route.description or route.summary}
        fields = (each for each in _path_fields(route, inside) if f"{{{each.name}}}" in path)
        if parameters := [_path_parameter(each) for each in fields] + shared:
            item["parameters"] = parameters
        item |= {name: True for name, holds in _extensions(route).items() if holds}
        tag = _TAGS.get(mount.path.split("/", maxsplit=1)[0], "secrets")
        for method, made in self._methods(mount.kind, route, inside).items():
            item[method] = {"tags": [tag], **made}
        self.paths[path] = item

    def _methods(self, kind: str, route: Route, inside: set[str]) -> dict[str, dict[str, object]]:
        found = {}
        if route.read or route.list or route.scan:
            found["get"] = self._get(kind, route, inside)
        for operation, method in _BODIES.items():
            endpoint = ENDPOINTS[operation](route)
            if endpoint is not None:
                found[method] = self._with_body(kind, operation, route, endpoint, inside)
        if route.delete:
            made = self._named(kind, Operation.DELETE, route, route.delete)
            if queries := _queries(declared(route.delete.given), inside):
                made["parameters"] = queries
            found["delete"] = made | {"responses": {"204": _EMPTY}}
        return found

    def _get(self, kind: str, route: Route, inside: set[str]) -> dict[str, object]:
        """Describe read, list and scan together: to HTTP they are one method."""
        operation, endpoint = next(
            (operation, endpoint)
            for operation in (Operation.READ, Operation.LIST, Operation.SCAN)
            if (endpoint := ENDPOINTS[operation](route)) is not None
        )
        flags = [_flag("list", "Return a list.", route.list, route.read or route.scan)]
        flags.append(
            _flag("scan", "Return a recursive list.", route.scan, route.read or route.list)
        )
        asked = {
            field.name: field
            for each in (route.read, route.list, route.scan)
            if each
            for field in declared(each.given)
        }
        queries = [flag for flag in flags if flag] + _queries(asked.values(), inside)
        made = self._named(kind, operation, route, endpoint)
        if queries:
            made["parameters"] = queries
        return made | {"responses": {"200": _OK}}

    def _with_body(
        self,
        kind: str,
        operation: Operation,
        route: Route,
        endpoint: Endpoint[Any],
        inside: set[str],
    ) -> dict[str, object]:
        made = self._named(kind, operation, route, endpoint)
        schema = _object([f for f in declared(endpoint.given) if f.name not in inside])
        if schema.get("properties") or schema.get("additionalProperties"):
            name = "".join(
                word.capitalize() for word in re.split(r"\W+|_", str(made["operationId"]))
            )
            self.schemas[f"{name}Request"] = schema
            reference = {"$ref": f"#/components/schemas/{name}Request"}
            made["requestBody"] = {
                "required": "required" in schema,
                "content": {"application/json": {"schema": reference}},
            }
        return made | {"responses": {"200": _OK, "204": _EMPTY}}

    def _named(
        self, kind: str, operation: Operation, route: Route, endpoint: Endpoint[Any]
    ) -> dict[str, object]:
        words = [kind, operation, *(part.text for part in parts(route.path))]
        name = "-".join(re.sub(r"\W+|_", "-", word) for word in words if word)
        unique, count = name, 1
        while unique in self.names:
            count += 1
            unique = f"{name}-{count}"
        self.names.add(unique)
        return {"summary": endpoint.summary or route.summary, "operationId": unique}


# -- parameters --------------------------------------------------------------------------------


def _shown(part: Part) -> str:
    return f"{{{part.text}}}" if part.is_field else part.text


def _extensions(route: Route) -> dict[str, bool]:
    return {
        "x-vault-sudo": route.sudo,
        "x-vault-unauthenticated": route.open,
        "x-vault-createSupported": route.exists is not None,
    }


def _path_fields(route: Route, inside: set[str]) -> list[Field]:
    """Return the path's fields, as the first operation that has them declares them."""
    found: dict[str, Field] = {}
    for pick in ENDPOINTS.values():
        endpoint = pick(route)
        for each in declared(endpoint.given) if endpoint else ():
            if each.name in inside:
                found.setdefault(each.name, each)
    return list(found.values())


def _path_parameter(each: Field) -> dict[str, object]:
    return _parameter(each, "path") | {"required": True}


def _mount_parameter(name: str, path: str) -> dict[str, object]:
    default = path.strip("/").removeprefix("auth/")
    return {
        "name": name,
        "description": "Where it is mounted.",
        "in": "path",
        "schema": {"type": "string", "default": default},
        "required": True,
    }


def _flag(
    name: str, text: str, endpoint: Endpoint[Any] | None, other: Endpoint[Any] | None
) -> dict[str, object]:
    """Return the parameter that turns a GET into a list; required where nothing else is there."""
    if endpoint is None:
        return {}
    flag: dict[str, object] = {"name": name, "description": text, "in": "query"}
    flag["schema"] = {"type": "string", "enum": ["true"]}
    return flag if other else flag | {"required": True}


def _queries(asked: Iterable[Field], inside: set[str]) -> list[dict[str, object]]:
    return [
        _parameter(each, "query")
        for each in asked
        if each.name not in inside and _in_document(each)
    ]


def _parameter(each: Field, where: str) -> dict[str, object]:
    text = {"description": each.help.text} if each.help else {}
    schema = {key: value for key, value in schema_of(each).items() if key != "description"}
    required = {"required": True} if each.required else {}
    return {"name": each.name, **text, "in": where, "schema": schema, **required}


# -- schemas -----------------------------------------------------------------------------------


def _in_document(each: Field) -> bool:
    return not each.sent and not each.whole and (each.help is None or each.help.shown)


def _object(known: Sequence[Field]) -> dict[str, object]:
    """Return the schema of an object; older names of a field are there too, as deprecated."""
    properties: dict[str, object] = {}
    for each in filter(_in_document, known):
        properties[each.name] = schema_of(each)
        for older in each.help.was if each.help else ():
            properties[older] = schema_of(each) | {"deprecated": True}
    schema: dict[str, object] = {"type": "object", "properties": properties}
    if required := [each.name for each in filter(_in_document, known) if each.required]:
        schema["required"] = required
    if any(each.whole for each in known):
        schema["additionalProperties"] = True
    return schema


def schema_of(each: Field) -> dict[str, object]:
    """Return the schema of a field: its type, with its description, limits and default."""
    schema = _schema(each.kind)
    told, default = each.help, _default(each.default)
    if told is not None:
        schema["description"] = told.text
        if told.choices:
            schema["enum"] = [_default(choice) for choice in told.choices]
        schema |= _limits(schema.get("type"), str(schema.get("format", "")), told.least, told.most)
    return schema if default in (None, "", []) else schema | {"default": default}


def _schema(kind: Any) -> dict[str, Any]:
    kind, _ = optional(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if origin is Literal:
        return {"type": "string", "enum": list(map(str, arguments))}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"type": "string", "enum": [member.value for member in kind]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    if arguments:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    if isinstance(kind, type) and is_dataclass(kind):
        return _object(declared(kind))
    return {}


def _limits(kind: object, form: str, least: int | None, most: int | None) -> dict[str, object]:
    """Return what OpenAPI can say of the limits: of numbers, and of plain text."""
    words = {"integer": ("minimum", "maximum"), "number": ("minimum", "maximum")}
    if not form or form == "password":
        words["string"] = ("minLength", "maxLength")
    low, high = words.get(str(kind), ("", ""))
    limits = {low: least, high: most}
    return {word: limit for word, limit in limits.items() if word and limit is not None}


def _default(value: object) -> object:
    """Return a default as JSON, or None where there is nothing to show."""
    match value:
        case Enum():
            return value.value
        case timedelta():
            return int(value.total_seconds())
        case bool() | int() | float() | str():
            return value
        case tuple():
            return [_default(each) for each in value]
    return None
