"""Lists of resources: filtered, sorted, cut to a page, and shown with the attributes asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from strongroom.base.errors import InputError
from strongroom.core.scim.filters import parse_filter, plain, values_of
from strongroom.core.scim.schemas import LIST, MOST
from strongroom.sdk.engine import Help

Resource = Mapping[str, Any]
_ALWAYS = ("schemas", "id")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Which attributes to show."""

    attributes: Annotated[str, Help("Show only these, by name, with commas.", most=1024)] = ""
    excluded_attributes: Annotated[
        str, Help("Show all but these.", most=1024, was=("excludedAttributes",))
    ] = ""


@dataclass(frozen=True, kw_only=True)
class Query(Shown):
    """Which resources, and in which order."""

    filter: Annotated[str, Help("A filter (RFC 7644 section 3.4.2.2).", most=4096)] = ""
    sort_by: Annotated[str, Help("Attribute to sort by.", most=256, was=("sortBy",))] = ""
    sort_order: Annotated[str, Help("ascending or descending.", most=16, was=("sortOrder",))] = ""
    start_index: Annotated[int, Help("The first one, from 1.", was=("startIndex",))] = 1
    count: Annotated[int, Help("At most so many.")] = MOST


def page(rows: Sequence[Resource], query: Query) -> dict[str, Any]:
    """Return the answer to a query."""
    found = list(rows)
    if query.filter:
        test = parse_filter(query.filter)
        found = [row for row in found if test(row)]
    if query.sort_order.lower() not in {"", "ascending", "descending"}:
        raise InputError("invalidValue", "sortOrder: ascending or descending")
    found.sort(key=lambda row: str(row["id"]))
    if query.sort_by:
        down = query.sort_order.lower() == "descending"
        found.sort(key=lambda row: _rank(row, query.sort_by), reverse=down)
    first = max(query.start_index, 1)
    there = found[first - 1 :][: min(max(query.count, 0), MOST)]
    return {
        "schemas": [LIST],
        "totalResults": len(found),
        "startIndex": first,
        "itemsPerPage": len(there),
        "Resources": [shown(row, query) for row in there],
    }


def _rank(row: Resource, path: str) -> tuple[bool, str]:
    values = values_of(row, path)
    return (not values, str(values[0]).casefold() if values else "")


def shown(row: Resource, wanted: Shown) -> dict[str, Any]:
    """Return a resource with the attributes that were asked for."""
    if wanted.attributes and wanted.excluded_attributes:
        raise InputError("invalidValue", "attributes or excludedAttributes, not both")
    if wanted.attributes:
        paths = [plain(each.strip()) for each in wanted.attributes.split(",") if each.strip()]
        kept = {name: row[name] for name in _ALWAYS if name in row}
        for path in paths:
            _keep(kept, row, path)
        return kept
    gone = {plain(each.strip()).lower() for each in wanted.excluded_attributes.split(",")}
    return {
        k: _without(k, v, gone) for k, v in row.items() if k in _ALWAYS or k.lower() not in gone
    }


def _keep(kept: dict[str, Any], row: Resource, path: str) -> None:
    name, _, sub = path.partition(".")
    key = next((key for key in row if key.lower() == name.lower()), None)
    if key is None:
        return
    value = row[key]
    if not sub or key in _ALWAYS:
        kept[key] = value
    elif isinstance(value, Mapping):
        kept[key] = {**kept.get(key, {}), **_only(value, sub)}
    elif isinstance(value, list):
        kept[key] = [_only(each, sub) for each in value]


def _only(value: Resource, sub: str) -> dict[str, Any]:
    return {key: one for key, one in value.items() if key.lower() == sub.lower()}


def _without(name: str, value: Any, gone: set[str]) -> Any:
    if isinstance(value, Mapping):
        return {k: v for k, v in value.items() if f"{name}.{k}".lower() not in gone}
    if isinstance(value, list):
        return [_without(name, each, gone) if isinstance(each, Mapping) else each for each in value]
    return value
