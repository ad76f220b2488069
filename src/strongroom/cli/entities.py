"""Entities and groups as they are named on a command line: by name, or by id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from strongroom.cli.errors import CommandError, RefusedError
from strongroom.cli.session import Session

NOTHING = frozenset({404})  # what an empty list is answered with
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def entity_id(session: Session, text: str) -> str:
    """Return the id of an entity."""
    return _id(session, "entity", text)


def group_id(session: Session, text: str) -> str:
    """Return the id of a group."""
    return _id(session, "group", text)


def _id(session: Session, kind: str, text: str) -> str:
    if _ID.fullmatch(text):
        return text
    try:
        found = session.client.get(f"identity/{kind}/name/{text}")
    except RefusedError as refused:
        if refused.status != 404:
            raise
        raise CommandError(
            f"no {kind} has this name",
            f"`strongroom list identity/{kind}/name` lists them",
            refused.code,
        ) from None
    return str(found["data"]["id"])


def listed(session: Session, path: str, asked: Mapping[str, str | None]) -> list[dict[str, Any]]:
    """Return every row of a list of ours, page by page."""
    return list(_pages(session, path, {k: v for k, v in asked.items() if v}))


def _pages(session: Session, path: str, asked: dict[str, str]) -> Iterator[dict[str, Any]]:
    while True:
        reply = session.client.send("LIST", path, query=asked, accepted=NOTHING)
        found = (reply.data or {}).get("data") or {}
        yield from (found.get("key_info") or {}).values()
        if not found.get("next"):
            return
        asked = {**asked, "after": str(found["next"])}


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were said on the command line."""
    return {name: value for name, value in fields.items() if value not in (None, ())}
