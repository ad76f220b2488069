"""Help on a path, as `bao path-help` and `?help=1` show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from strongroom.api.path_help import help_on, help_on_mount
from strongroom.sdk.engine import Call, Endpoint, Help, Named, Page, Reply, Route


@dataclass(frozen=True, kw_only=True)
class NewKey(Named):
    ttl: Annotated[timedelta, Help("Life of the key.", was=("lease",))] = timedelta(0)
    names: Annotated[tuple[str, ...], Help("Other names.")] = ()
    hidden: Annotated[str, Help("Not for clients.", shown=False)] = ""


async def serve(call: Call, given: object) -> Reply | None:
    return None


ONE = Route(
    path="keys/{name}",
    summary="One key.",
    description="A key guards something.",
    read=Endpoint(Named, serve, summary="Show it."),
    write=Endpoint(NewKey, serve),
)
ALL = Route(path="keys", summary="The names of all keys.", list=Endpoint(Page, serve))


def test_help_on_a_path_names_what_it_takes_and_does() -> None:
    reply: dict[str, Any] = help_on(ONE, path="keys/alice", kind="demo", version="1")

    assert reply["see_also"] is None
    assert reply["help"].splitlines() == [
        "Request:        keys/alice",
        "Matching Route: keys/{name}",
        "",
        "One key.",
        "",
        "## PARAMETERS",
        "",
        "    name (string, required)",
        "",
        "        Name.",
        "",
        "    names (list of string)",
        "",
        "        Other names.",
        "",
        "    ttl (duration)",
        "",
        "        Life of the key.",
        "",
        "        Also known as lease.",
        "",
        "## OPERATIONS",
        "",
        "    read: Show it.",
        "    write: One key.",
        "",
        "## DESCRIPTION",
        "",
        "A key guards something.",
    ]


def test_help_on_a_path_brings_its_openapi() -> None:
    reply: dict[str, Any] = help_on(ONE, path="keys/alice", kind="demo", version="1")

    assert set(reply["openapi"]["paths"]) == {"/keys/{name}"}
    assert set(reply["openapi"]["paths"]["/keys/{name}"]) >= {"get", "post"}


def test_help_on_a_mount_lists_its_paths() -> None:
    reply: dict[str, Any] = help_on_mount((ONE, ALL), kind="demo", about="Keys.", version="1")

    assert set(reply["openapi"]["paths"]) == {"/keys", "/keys/{name}"}
    assert "## DESCRIPTION\n\nKeys.\n" in reply["help"]
    assert "    keys\n        The names of all keys.\n" in reply["help"]
    assert reply["help"].index("    keys\n") < reply["help"].index("    keys/{name}\n")
